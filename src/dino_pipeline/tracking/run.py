"""A model's run in MLflow, which an outage of the store turns into a warning and nothing worse."""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from dino_pipeline.tracking.origin import commit_in_words
from dino_pipeline.tracking.store import in_short, outages

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MAX_PARAM_LENGTH = 6000
_MAX_TAG_LENGTH = 5000
_MAX_METRICS = 1000
_MAX_PARAMS = 100
_SECONDS_BETWEEN_RETRIES = 30.0

logger = logging.getLogger(__name__)


class ModelRun:
    """A run in the store. Where the store cannot be reached all this says so once and does nothing.

    Safe to use from several threads.
    """

    def __init__(self, client: "MlflowClient | None", run_id: str, *, started: float = 0.0) -> None:
        self.run_id = run_id
        self.started = started  # seconds since 1970
        self.client = client
        self._lock = threading.RLock()
        self._pending: list[Mapping[str, float]] = []
        self._stored_steps: dict[str, int] = {}  # newest step of each metric when this process first met it
        self._retry_at = 0.0
        self._has_warned = False

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log nested parameters as `group.name`; those the run already has stay as they are."""

        def send(client: "MlflowClient") -> None:
            from mlflow.entities import Param

            known = client.get_run(self.run_id).data.params
            new = [Param(k, v[:_MAX_PARAM_LENGTH]) for k, v in flatten(params).items() if k not in known]
            for start in range(0, len(new), _MAX_PARAMS):
                client.log_batch(self.run_id, params=new[start : start + _MAX_PARAMS])

        self.attempt(send)

    def log_rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log rows of a training history: `row["step"]` is the step, blank (NaN) cells are left out.

        Only steps newer than the store's are sent, so that a resumed training repeats none. Rows
        that an outage held up are sent with later ones.
        """
        with self._lock:
            self._pending.extend(rows)
            if self._pending and time.monotonic() >= self._retry_at and not self.attempt(self._send_pending):
                self._retry_at = time.monotonic() + _SECONDS_BETWEEN_RETRIES

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log single values."""
        row = {**metrics, "step": step or 0}
        self.attempt(lambda client: self._send_metrics(client, [row]))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file, or a folder's contents, into the run's artifacts."""
        if path.is_dir():
            self.attempt(lambda client: client.log_artifacts(self.run_id, str(path), folder))
        else:
            self.attempt(lambda client: client.log_artifact(self.run_id, str(path), folder))

    def log_json(self, values: Any, name: str) -> None:
        """Store JSON-ready values as the artifact `name`."""
        self.attempt(lambda client: client.log_dict(self.run_id, values, name))

    def attempt(self, send: "Callable[[MlflowClient], object]") -> bool:
        """Call `send` with a client of the store; whether it was sent. Tells of the first failure only."""
        if self.client is None:
            return False
        with self._lock:
            try:
                send(self.client)
            except outages() as error:
                if not self._has_warned:
                    logger.warning("MLflow does not answer, training goes on without it: %s", in_short(error))
                self._has_warned = True
                return False
        return True

    def log_text(self, text: str, name: str) -> None:
        """Store a text as the artifact `name`."""
        self.attempt(lambda client: client.log_text(self.run_id, text, name))

    def tags(self) -> dict[str, str]:
        """The run's tags; none where the store does not answer."""
        found: dict[str, str] = {}
        self.attempt(lambda client: found.update(client.get_run(self.run_id).data.tags))
        return found

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""

        def send(client: "MlflowClient") -> None:
            from mlflow.entities import RunTag

            client.log_batch(self.run_id, tags=[RunTag(k, str(v)[:_MAX_TAG_LENGTH]) for k, v in tags.items()])

        self.attempt(send)

    def facts(self) -> dict[str, str]:
        """What a reader needs to find the run again; nothing where the store does not answer."""
        found: dict[str, str] = {}

        def ask(client: "MlflowClient") -> None:
            run = client.get_run(self.run_id)
            started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
            found.update(
                {
                    "MLflow run": f"{run.info.run_name} ({self.run_id})",
                    "status": run.info.status.lower(),
                    "started": started.strftime("%d %B %Y, %H:%M UTC"),
                    "commit": commit_in_words(run.data.tags),
                }
            )

        self.attempt(ask)
        return found

    def remove_tag(self, name: str) -> None:
        """Remove a tag, where the run has it."""

        def send(client: "MlflowClient") -> None:
            if name in client.get_run(self.run_id).data.tags:
                client.delete_tag(self.run_id, name)

        self.attempt(send)

    def finish(self, status: str) -> None:
        """End the run as FINISHED, KILLED or FAILED, after what is still to be sent."""
        with self._lock:
            if self._pending:
                self.attempt(self._send_pending)
        self.attempt(lambda client: client.set_terminated(self.run_id, status))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish("FINISHED")
        elif issubclass(kind, Exception):
            self.set_tags({"error": f"{kind.__name__}: {error}"})
            self.finish("FAILED")
        else:
            self.finish("KILLED")

    def _send_pending(self, client: "MlflowClient") -> None:
        names = {name for row in self._pending for name in row} - self._stored_steps.keys()
        if names:
            # The newest of each, with its step; reading whole histories would take long.
            newest = {metric.key: metric.step for metric in client.get_run(self.run_id).data._metric_objs}
            self._stored_steps |= {name: newest.get(name, -1) for name in names}
        newer = [
            {name: value for name, value in row.items() if row["step"] > self._stored_steps[name]}
            | {"step": row["step"]}
            for row in self._pending
        ]
        self._send_metrics(client, newer)
        self._pending.clear()

    def _send_metrics(self, client: "MlflowClient", rows: Sequence[Mapping[str, float]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now, int(row["step"]))
            for row in rows
            for name, value in row.items()
            if name != "step" and value is not None and not math.isnan(value)
        ]
        for start in range(0, len(metrics), _MAX_METRICS):
            client.log_batch(self.run_id, metrics=metrics[start : start + _MAX_METRICS])


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as `group.name` → text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
