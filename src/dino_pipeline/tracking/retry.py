"""Handle an outage of the store: log one line at its start and one at its end, and retry now and then."""

import logging
import time

from dino_pipeline.tracking.store import in_short

SYNC_COMMAND = "dino-pipeline sync-mlflow"
_SECONDS_TO_FIRST_TRY = 30.0
_SECONDS_BETWEEN_TRIES_AT_MOST = 600.0

logger = logging.getLogger(__name__)


class Retry:
    """Whether a channel of the store answers, and when to try again. All runs of this process share it."""

    def __init__(self, channel: str) -> None:
        self.is_failing = False
        self._channel = channel
        self._try_at = 0.0
        self._pause = _SECONDS_TO_FIRST_TRY

    def is_due(self) -> bool:
        """Whether to call the store now. In an outage calls become rarer, since each one costs seconds."""
        return not self.is_failing or time.monotonic() >= self._try_at

    def hurry(self) -> None:
        """Make the next try due at once."""
        self._try_at = 0.0

    def fail(self, error: BaseException) -> None:
        """Record a failure. Only the first failure of an outage is logged."""
        if not self.is_failing:
            self._pause = _SECONDS_TO_FIRST_TRY
            logger.warning(
                "MLflow's store does not accept %s (%s). The run continues; the missing records are kept in "
                "data/.unsent and sent when the store answers again, or by `%s`",
                self._channel,
                in_short(error),
                SYNC_COMMAND,
            )
        else:
            self._pause = min(2 * self._pause, _SECONDS_BETWEEN_TRIES_AT_MOST)
        self.is_failing = True
        self._try_at = time.monotonic() + self._pause

    def succeed(self) -> None:
        """Record that the store has everything. The end of an outage is logged."""
        if self.is_failing:
            logger.warning("MLflow's store accepts %s again and has received all kept records", self._channel)
        self.is_failing = False
