"""One process of a check, as torchrun starts it: python -m dino_pipeline.dino.doctor.worker spec.json."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch.distributed.elastic.multiprocessing.errors import record

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.distributed import barrier, join_group, leave_group, own_device, rank
from dino_pipeline.dino.doctor import device_checks, training_checks
from dino_pipeline.dino.doctor.device_checks import Finding, NotApplicableError
from dino_pipeline.dino.training.config import TrainingSpec

FINDING = "finding.json"

# Each gets the specification of a small training, whose folder is the check's, and its own device.
CHECKS: dict[str, Callable[[TrainingSpec, torch.device], Finding]] = {
    "collectives": lambda _, device: device_checks.collectives(device),
    "bf16": lambda spec, device: device_checks.bf16(spec.pretrain, device),
    "no_waiting": lambda spec, device: device_checks.no_waiting(spec.pretrain, device),
    "resume": training_checks.resume,
    "loader": lambda spec, device: training_checks.loader(spec.pretrain, Path(spec.folder), device),
    "compile": lambda spec, device: device_checks.compiled(Path(spec.folder), device),
}


@record
def main() -> int:
    """Run the check that the specification's `recipe` names; rank 0 writes what it found."""
    spec = from_dict(TrainingSpec, json.loads(Path(sys.argv[1]).read_text()))
    # cuBLAS gives equal bits only with a workspace of fixed size, which it reads when it starts.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.set_num_threads(spec.launch.threads_per_process)
    device = own_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    join_group(device)
    try:
        found = {"status": "passed", **CHECKS[spec.recipe](spec, device)._asdict()}
    except NotApplicableError as error:
        found = {"status": "not applicable", "text": str(error), "advice": ""}
    barrier()  # a check has passed where it has passed in every process
    if rank() == 0:
        Path(spec.folder, FINDING).write_text(json.dumps(found))
    leave_group()
    return 0


if __name__ == "__main__":
    sys.exit(main())
