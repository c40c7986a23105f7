"""The run of a model where no tracking is configured, as in tests of single nodes."""

from typing import Any

from dino_pipeline.tracking.records import Target
from dino_pipeline.tracking.run import ModelRun


class UntrackedRun(ModelRun):
    """Takes everything, and does nothing."""

    _target: Target | None = None

    def __init__(self) -> None:
        pass

    def _log(self, *_: Any) -> bool:
        return False

    def ask(self, *_: Any) -> bool:
        """Nobody answers."""
        return False

    def tags(self) -> dict[str, str]:
        """None."""
        return {}

    def facts(self) -> dict[str, str]:
        """None."""
        return {}

    def finish(self, status: str) -> None:
        """Nothing is open."""
