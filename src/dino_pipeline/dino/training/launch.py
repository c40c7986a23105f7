"""Start a training under torchrun, or return its finished model immediately."""

import json
from collections.abc import Callable
from pathlib import Path

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.launching import torchrun
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.training.progress import SPEC

LOG = "training.log"


def launch(spec: TrainingSpec, *, on_progress: Callable[[], None]) -> Path:
    """Train to the end and return the folder of the finished model.

    Args:
        on_progress: called twice a second while training runs, e.g. to read the history's new rows.

    Raises:
        WorkersFailedError: with the error of the first worker that failed.
        WorkersStopped: something outside stopped a worker; the same command continues.
    """
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not is_finished(spec):
        file = folder / SPEC
        with written_whole(file) as partial:
            partial.write_text(json.dumps(to_dict(spec), indent=2) + "\n")
        torchrun.run(
            "dino_pipeline.dino.training.worker",
            file,
            num_processes=torchrun.num_processes(spec.launch.cpu_processes),
            threads_per_process=spec.launch.threads_per_process,
            max_restarts=spec.launch.max_restarts,
            grace_seconds=spec.launch.grace_seconds,
            stall_minutes=spec.launch.stall_minutes,
            log=folder / LOG,
            on_progress=on_progress,
        )
    return finished_folder(spec)


def is_finished(spec: TrainingSpec) -> bool:
    return finished_folder(spec).is_dir()


def finished_folder(spec: TrainingSpec) -> Path:
    """The folder of the finished model. It exists only once the model is complete."""
    return Path(spec.folder) / FINISHED
