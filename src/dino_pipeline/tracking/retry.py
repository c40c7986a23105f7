"""An outage of the store: one line when it begins, one when it ends, and seldom a try in between."""

import logging
import time

from dino_pipeline.tracking.store import in_short

RECORDS, ARTIFACTS = "records", "artifacts"  # MLflow's two stores, of which one may fail without the other
SYNC_COMMAND = "dino-pipeline sync-mlflow"
_SECONDS_TO_FIRST_TRY = 30.0
_SECONDS_BETWEEN_TRIES_AT_MOST = 600.0

logger = logging.getLogger(__name__)


class Outage:
    """Whether one of the two stores is away, for all runs of this process."""

    def __init__(self, part: str) -> None:
        self.is_on = False
        self._part = part
        self._try_at = 0.0
        self._pause = _SECONDS_TO_FIRST_TRY

    def is_due(self) -> bool:
        """Whether the store may be asked; in an outage ever more seldom, for each try costs seconds."""
        return not self.is_on or time.monotonic() >= self._try_at

    def hurry(self) -> None:
        """Let the next try be at once."""
        self._try_at = 0.0

    def fail(self, error: BaseException) -> None:
        """Take note of a failure; the first is told."""
        if not self.is_on:
            self._pause = _SECONDS_TO_FIRST_TRY
            logger.warning(
                "MLflow's store does not take %s, and all goes on without it (%s): what it misses is kept in "
                "data/.unsent, and sent when it answers again or by `%s`",
                self._part,
                in_short(error),
                SYNC_COMMAND,
            )
        else:
            self._pause = min(2 * self._pause, _SECONDS_BETWEEN_TRIES_AT_MOST)
        self.is_on = True
        self._try_at = time.monotonic() + self._pause

    def succeed(self) -> None:
        """Take note that the store has all that was kept; the end of an outage is told."""
        if self.is_on:
            logger.warning("MLflow's store takes %s again, and has what was kept for it", self._part)
        self.is_on = False
