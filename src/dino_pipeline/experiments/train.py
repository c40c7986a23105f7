"""What was not as it should be in a training, for its run: skipped steps, unreadable images, a collapse."""

from pathlib import Path

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.collapse import diagnose_training
from dino_pipeline.dino.training.history import HISTORY, numbers, read_rows
from dino_pipeline.dino.training.skipped import SKIPPED
from dino_pipeline.dino.training.unreadable import UNREADABLE
from dino_pipeline.tracking import ModelRun


def log_findings(run: ModelRun, folder: Path, config: PretrainConfig) -> None:
    """Log the lists that hold anything, and a tag `collapse` with its kind."""
    for name in (SKIPPED, UNREADABLE):
        if (folder / name).is_file() and read_rows(folder / name):
            run.log_artifact(folder / name)
    if (folder / HISTORY).is_file():
        collapse = diagnose_training([numbers(row) for row in read_rows(folder / HISTORY)], config)
        if collapse:
            run.set_tags({"collapse": collapse.kind})
