"""One training process, as torchrun starts it.

    python -m torch.distributed.run --standalone --nproc-per-node=2 -m dino_pipeline.dino.training.worker spec.json

Without torchrun, it trains with one process.
"""

import gc
import json
import sys
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing.errors import record

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.distributed import join_group, leave_group, own_device, rank
from dino_pipeline.dino.launching.bound import STOPPED, end_with_parent
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.launching.torchrun import log_to_launcher
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.run import pretrain


@record
def main() -> int:
    """Run the training of the specification; return 0 when finished, 75 when stopped on request."""
    end_with_parent()  # of a torchrun that started this module without `launching.bound`
    spec = from_dict(TrainingSpec, json.loads(Path(sys.argv[1]).read_text()))
    torch.set_num_threads(spec.launch.threads_per_process)
    device = own_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    join_group(device)
    log_to_launcher(rank=rank())
    gc.freeze()  # loader workers share what is loaded by now: the collector would write to each object of theirs
    stop = StopRequest(spec.launch.grace_seconds)
    finished = pretrain(spec, device, stop)
    stop.close()
    leave_group()
    return 0 if finished else STOPPED


if __name__ == "__main__":
    sys.exit(main())
