"""A model's run in MLflow. In an outage of the store, records are spooled and training continues without waiting."""

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dino_pipeline.tracking.git_info import commit_in_words, dvc_tags
from dino_pipeline.tracking.recording import keep
from dino_pipeline.tracking.records import channel_of, grouped, send, send_group
from dino_pipeline.tracking.retry import SYNC_COMMAND, Retry
from dino_pipeline.tracking.runs import StoredRun, get_or_create_run
from dino_pipeline.tracking.spool import ARTIFACTS, RECORDS, Record, RunSpec, Spool
from dino_pipeline.tracking.store import Store, store_errors

_MAX_PARAM_LENGTH = 6000
_MAX_TAG_LENGTH = 5000
_CHANNELS = (RECORDS, ARTIFACTS)

logger = logging.getLogger(__name__)


class ModelRun:
    """A run in the store. Records that the store does not accept are spooled, in order, and sent before newer ones.

    Several threads may use it.
    """

    def __init__(self, store: Store, spec: RunSpec, spool: Spool, retries: Mapping[str, Retry]) -> None:
        """Prepare the run without reading or writing anything.

        Args:
            retries: one for each channel.
        """
        self._store = store
        self._spec = spec
        self._spool = spool
        self._retries = retries
        self._stored: StoredRun | None = None  # None before the store's first answer, and after a failure
        self._lock = threading.RLock()

    @property
    def run_id(self) -> str:
        """MLflow's id; empty until the store has answered."""
        return self._stored.run_id if self._stored else ""

    def open(self) -> None:
        """Find or create the run; then send its spooled records."""
        with self._lock:
            is_there = self._is_free(RECORDS) and self._attempt(RECORDS, lambda stored: stored.run_id)
            was_there = is_there and self._stored is not None and self._stored.started != self._spec.started
            if is_there and self._spool.has(ARTIFACTS):
                self._is_free(ARTIFACTS)
            if self._spec.is_training and (was_there or not is_there):
                self._log({"kind": "status", "status": "RUNNING"})
                self.set_tags(dvc_tags())  # an experiment may find a finished model

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log nested parameters as `group.name`. Existing values stay."""
        flat = {name: value[:_MAX_PARAM_LENGTH] for name, value in flatten(params).items()}
        self._log({"kind": "params", "params": flat})

    def log_rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log rows of a training history. `row["step"]` is the step; blank (NaN) cells are left out.

        A row without a step uses the number of seconds since the run began. Only steps after the store's newest one
        are sent, so that a resumed training repeats none.
        """
        now = _now()
        made = [{"time": now, "step": _step(row), "values": _values(row)} for row in rows]
        if made:
            self._log({"kind": "rows", "rows": made})

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log single values."""
        self._log({"kind": "metrics", "metrics": _values(metrics), "step": step or 0, "time": _now()})

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        """Copy a file, or a folder's contents, into the run's artifacts."""
        self._log({"kind": "file", "folder": folder}, path)

    def log_json(self, values: Any, name: str) -> None:
        """Store JSON-ready values as the artifact `name`."""
        self.log_text(json.dumps(values, indent=2, default=str), name)

    def log_text(self, text: str, name: str) -> None:
        """Store a text as the artifact `name`."""
        self._log({"kind": "text", "text": text, "name": name})

    def log_dataset(self, dataset: Mapping[str, str], context: str) -> None:
        """Log the fields of an MLflow dataset as an input. A second call changes nothing."""
        self._log({"kind": "dataset", "dataset": dict(dataset), "context": context})

    def log_session(self, texts: Mapping[str, str]) -> None:
        """Store texts by name as the artifacts of the next session, and count the session."""
        begun = datetime.now(UTC).isoformat()
        self._log({"kind": "session", "begun": begun, "texts": dict(texts)})

    def log_version(self, version: Mapping[str, Any], model: Path) -> bool:
        """Register a saved model. Returns whether the registry has it. See `registry.send_version`."""
        return self._log({"kind": "version", **version}, model)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        if tags:
            short = {name: str(value)[:_MAX_TAG_LENGTH] for name, value in tags.items()}
            self._log({"kind": "tags", "tags": short})

    def remove_tag(self, name: str) -> None:
        """Remove a tag if the run has it."""
        self._log({"kind": "no_tag", "name": name})

    def tags(self) -> dict[str, str]:
        """The run's tags; in an outage, the tags for a training's new run."""
        found: dict[str, str] = {}
        if self.ask(lambda stored: found.update(stored.client.get_run(stored.run_id).data.tags)):
            return found
        spec = self._spool.spec()
        return dict(spec.tags) if spec.is_training else {}

    def facts(self) -> dict[str, str]:
        """The values by which a reader finds the run again, or a note that the store does not answer."""
        found: dict[str, str] = {}

        def read(stored: StoredRun) -> None:
            run = stored.client.get_run(stored.run_id)
            started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
            found.update(
                {
                    "MLflow run": f"{run.info.run_name} ({run.info.run_id})",
                    "status": run.info.status.lower(),
                    "started": started.strftime("%d %B %Y, %H:%M UTC"),
                    "commit": commit_in_words(run.data.tags),
                }
            )

        if self.ask(read):
            return found
        return {
            "MLflow run": f"not reached; its records are kept in data/.unsent, and `{SYNC_COMMAND}` sends them"
        }

    def log_again(self, records: Sequence[Record], folder: Path) -> None:
        """Log what a `Recording` kept.

        Args:
            folder: holds the records' files.
        """
        for record in records:
            own = {name: value for name, value in record.items() if name not in ("run", "source")}
            if "time" in own:
                own["time"] = _now()  # MLflow shows the newest of a metric's values
            self._log(own, folder / record["source"] if "source" in record else None)

    def finish(self, status: str) -> None:
        """End the run as FINISHED, KILLED or FAILED, after one more try to send spooled records."""
        for retry in self._retries.values():
            retry.hurry()
        self._log({"kind": "status", "status": status, "time": _now()})
        with self._lock:
            if self._spool.has(ARTIFACTS):
                self._is_free(ARTIFACTS)

    def sync(self) -> bool:
        """Send spooled records now. Returns whether none is left."""
        for retry in self._retries.values():
            retry.hurry()
        with self._lock:
            for channel in _CHANNELS:
                self._is_free(channel)
            return not any(self._spool.has(channel) for channel in _CHANNELS)

    def ask(self, question: Callable[[StoredRun], object]) -> bool:
        """Read from the store. Returns whether it answered."""
        with self._lock:
            return self._is_free(RECORDS) and self._attempt(RECORDS, question)

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

    def _log(self, record: Record, source: Path | None = None) -> bool:
        """Send or spool a record. Returns whether it was sent."""
        keep(record, source, run=self._spec.found_by[1])
        channel = channel_of(record)
        with self._lock:
            if self._is_free(channel) and self._attempt(channel, lambda stored: send(stored, record, source)):
                return True
            try:
                self._spool.append(channel, record, source)
            except OSError as error:
                logger.warning(
                    "MLflow will lack %s, because it cannot be written to data/.unsent: %s",
                    record["kind"],
                    error,
                )
            return False

    def _is_free(self, channel: str) -> bool:
        """Whether the channel can send: it and the channels before it answer and have no spooled records."""
        for needed in _CHANNELS[: _CHANNELS.index(channel) + 1]:
            retry = self._retries[needed]
            if not retry.is_due():
                return False
            is_behind = retry.is_failing or self._spool.has(needed)
            if is_behind and not self._attempt(needed, partial(self._send_spooled, needed)):
                return False
        return True

    def _send_spooled(self, channel: str, stored: StoredRun) -> None:
        with self._spool.locked():
            left = self._spool.read(channel)
            if not left:
                stored.client.get_run(stored.run_id)
                self._spool.replace(
                    channel, []
                )  # a full disk or a kill may have left a file without a whole line
                return
            try:
                for group in grouped(left):
                    send_group(stored, group, self._spool.folder)
                    left = left[len(group) :]
            finally:
                self._spool.replace(channel, left)

    def _attempt(self, channel: str, act: Callable[[StoredRun], object]) -> bool:
        """Apply `act` to the run in the store. Returns whether that worked."""
        try:
            if self._stored is None:
                self._stored = get_or_create_run(self._store, self._spool.spec())
            act(self._stored)
        except store_errors() as error:
            if channel == ARTIFACTS and not self._answers():
                channel = RECORDS  # all of MLflow fails: one message, not two
            if channel == RECORDS:
                self._stored = None
            self._retries[channel].fail(error)
            return False
        self._retries[channel].succeed()
        return True

    def _answers(self) -> bool:
        try:
            get_or_create_run(self._store, self._spool.spec())
        except store_errors():
            return False
        return True


class UntrackedRun(ModelRun):
    """A run without tracking, as in tests of single nodes. It accepts every call and does nothing."""

    _stored: StoredRun | None = None

    def __init__(self) -> None:
        pass

    def _log(self, *_: Any) -> bool:
        return False

    def ask(self, *_: Any) -> bool:
        """Return False: no store answers."""
        return False

    def tags(self) -> dict[str, str]:
        """Return no tags."""
        return {}

    def facts(self) -> dict[str, str]:
        """Return no facts."""
        return {}

    def finish(self, status: str) -> None:
        """Do nothing: no run is open."""


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested values to `group.name` → text."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _step(row: Mapping[str, float]) -> int | None:
    return int(row["step"]) if "step" in row else None


def _values(row: Mapping[str, float]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in row.items()
        if name != "step" and value is not None and not math.isnan(value)
    }


def _now() -> int:
    return int(time.time() * 1000)
