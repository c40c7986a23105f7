"""From where a training goes on, and on how much."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.checkpoint import checkpoint_step
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.kept_checkpoints import LAST


def session_facts(spec: TrainingSpec) -> dict[str, Any]:
    """What one start of a training adds to its history, for a record of it.

    Args:
        spec: prepared: where progress of another training was adopted, it lies in this one's folder already.
    """
    checkpoint = Path(spec.folder) / LAST
    return {
        "from_step": checkpoint_step(checkpoint) if checkpoint.is_file() else 0,
        "adopted_progress": spec.launch.adopt_progress,
        "processes": num_processes(spec.launch.cpu_processes),
        "threads_per_process": spec.launch.threads_per_process,
        "precision": spec.pretrain.precision,
    }
