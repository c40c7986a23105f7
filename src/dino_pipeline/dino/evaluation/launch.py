"""Feature extraction under torchrun. With several processes, each extracts its share of the images."""

import json
import tempfile
from pathlib import Path

from dino_pipeline.dino.core.config import frozen, to_dict
from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features, join_features, read_features
from dino_pipeline.dino.evaluation.model_features import model_features
from dino_pipeline.dino.launching import torchrun

_GRACE_SECONDS = 5.0  # short, because no progress is saved
_STALL_MINUTES = 10.0  # as launch.stall_minutes in conf/base


@frozen
class ExtractSpec:
    """The whole input of a worker, as JSON."""

    manifest: str
    image_root: str
    model: str
    folder: str  # receives part-<rank>/<name>.parquet
    extract: ExtractConfig
    only: tuple[str, ...] | None


def extract(
    manifest: Manifest, model: Path, config: ExtractConfig, *, only: tuple[str, ...] | None = None
) -> dict[str, Features]:
    """Features of every image, by name, equal for any number of processes.

    Args:
        only: names to extract; None for all networks of the model and all baselines.

    Raises:
        WorkersFailedError: with the error of the first worker that failed.
    """
    num_processes = torchrun.num_processes(config.cpu_processes)
    if num_processes == 1:
        return model_features(manifest, model, config, device=compute.device(), only=only)
    with tempfile.TemporaryDirectory(prefix="extract-") as name:
        folder = Path(name)
        write_manifest(manifest, folder / "manifest.parquet")
        spec = ExtractSpec(
            manifest=str(folder / "manifest.parquet"),
            image_root=str(manifest.root),
            model=str(model),
            folder=name,
            extract=config,
            only=only,
        )
        run_workers("dino_pipeline.dino.evaluation.worker", spec, folder, config)
        parts = [folder / f"part-{rank}" for rank in range(num_processes)]
        names = [file.stem for file in sorted(parts[0].glob("*.parquet"))]
        return {
            name: join_features([read_features(part / f"{name}.parquet") for part in parts]) for name in names
        }


def run_workers(module: str, spec: object, folder: Path, config: ExtractConfig) -> None:
    """Run a module with a spec in every process until all are done.

    Raises:
        WorkersFailedError: with the error of the first worker that failed.
    """
    (folder / "spec.json").write_text(json.dumps(to_dict(spec)))
    torchrun.run(
        module,
        folder / "spec.json",
        num_processes=torchrun.num_processes(config.cpu_processes),
        threads_per_process=config.num_threads or 1,
        max_restarts=0,
        grace_seconds=_GRACE_SECONDS,
        stall_minutes=_STALL_MINUTES,
        log=folder / "workers.log",
        keeps_log=False,
        on_progress=lambda: None,
    )
