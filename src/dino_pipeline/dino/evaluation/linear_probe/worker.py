"""One process that trains probes under torchrun: `-m dino_pipeline.dino.evaluation.linear_probe.worker spec.json`."""

import json
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.distributed import barrier, join_group, leave_group, own_device, rank
from dino_pipeline.dino.evaluation.linear_probe.launch import ProbeSpec, probe_model, read_normalisations
from dino_pipeline.dino.evaluation.linear_probe.probes import write_probes
from dino_pipeline.dino.launching.shared_manifest import shared_manifest
from dino_pipeline.dino.launching.torchrun import log_to_launcher


@record
def main() -> None:
    """Run the networks on this process's share of each batch; rank 0 writes the classifiers."""
    spec = from_dict(ProbeSpec, json.loads(Path(sys.argv[1]).read_text()))
    device = own_device()
    join_group(device)
    log_to_launcher(rank=rank())
    probes = probe_model(
        shared_manifest(Path(spec.manifest), Path(spec.image_root), Path(spec.manifest).parent),
        Path(spec.model),
        read_normalisations(Path(spec.normalisations)),
        spec.extract,
        spec.probe,
        device=device,
    )
    if rank() == 0:
        write_probes(Path(spec.probes), probes)
    barrier()
    leave_group()


if __name__ == "__main__":
    main()
