"""The diagnosis of collapse for a training's own parameters."""

from collections.abc import Mapping, Sequence

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.metrics.collapse import Collapse, Settings, diagnose


class CollapseError(RuntimeError):
    """The training collapsed, and is configured to stop then."""


def diagnose_training(rows: Sequence[Mapping[str, float]], config: PretrainConfig) -> Collapse | None:
    """The collapse that a training is in by its history so far; None where it is in none."""
    return diagnose(rows, Settings.of(to_dict(config)))
