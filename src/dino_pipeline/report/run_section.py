"""What the copy of the page in MLflow says of the one run that made the model."""

from collections.abc import Mapping
from pathlib import Path

from dino_pipeline.dino.training.history import TIMING, numbers, read_rows
from dino_pipeline.report.curves import timing_charts
from dino_pipeline.report.page import RunSection
from dino_pipeline.tracking.git_info import commit_in_words, origin_tags


def run_section(run: Mapping[str, str], project_folder: Path, progress: Path) -> RunSection:
    """Facts of the run and of the commit that draws the page; curves where this machine trained the model.

    Args:
        run: what tracking knows of the model's run; nothing where its store does not answer.
        project_folder: whose commit is named.
        progress: the folder of this training's progress, which may not be here.
    """
    timing = progress / TIMING
    rows = [numbers(row) for row in read_rows(timing)] if timing.is_file() else []
    return RunSection(
        facts=[*run.items(), ("commit of this page", commit_in_words(origin_tags(project_folder)))],
        timing=timing_charts(rows) if rows else [],
    )
