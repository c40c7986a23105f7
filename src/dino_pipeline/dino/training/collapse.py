"""Diagnosis of collapse with the parameters of a training."""

from collections.abc import Mapping, Sequence

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.metrics.collapse import Collapse, Settings, diagnose


class CollapseError(RuntimeError):
    """The training collapsed, and its configuration says to stop in this case."""


def diagnose_training(rows: Sequence[Mapping[str, float]], config: PretrainConfig) -> Collapse | None:
    """The collapse that a training's history shows so far; None if there is none."""
    return diagnose(rows, Settings.of(to_dict(config)))
