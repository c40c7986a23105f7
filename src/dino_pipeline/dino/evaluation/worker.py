"""One extraction process, as torchrun starts it: `-m dino_pipeline.dino.evaluation.worker spec.json`."""

import json
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.distributed import barrier, join_group, leave_group, own_device, rank
from dino_pipeline.dino.evaluation.features import write_features
from dino_pipeline.dino.evaluation.launch import ExtractSpec
from dino_pipeline.dino.evaluation.model_features import model_features
from dino_pipeline.dino.launching.shared_manifest import shared_manifest
from dino_pipeline.dino.launching.torchrun import log_to_launcher


@record
def main() -> None:
    """Extract this process's share and write it to a part of its own."""
    spec = from_dict(ExtractSpec, json.loads(Path(sys.argv[1]).read_text()))
    device = own_device()
    join_group(device)
    log_to_launcher(rank=rank())
    manifest = shared_manifest(Path(spec.manifest), Path(spec.image_root), Path(spec.folder))
    features = model_features(manifest, Path(spec.model), spec.extract, device=device, only=spec.only)
    for name, values in features.items():
        write_features(Path(spec.folder) / f"part-{rank()}" / f"{name}.parquet", values)
    barrier()
    leave_group()


if __name__ == "__main__":
    main()
