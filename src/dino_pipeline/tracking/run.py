"""A model's run in MLflow: what an outage of the store holds up is kept on disk, and nothing waits for it."""

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

from dino_pipeline.tracking.finding_runs import find_or_make
from dino_pipeline.tracking.git_info import commit_in_words, dvc_tags
from dino_pipeline.tracking.records import Target, joined, lane_of, send, send_group
from dino_pipeline.tracking.retry import ARTIFACTS, RECORDS, SYNC_COMMAND, Outage
from dino_pipeline.tracking.spool import Opening, Record, Unsent
from dino_pipeline.tracking.store import Store, outages

_MAX_PARAM_LENGTH = 6000
_MAX_TAG_LENGTH = 5000
_LANES = (RECORDS, ARTIFACTS)

logger = logging.getLogger(__name__)


class ModelRun:
    """A run in the store. What the store does not take is kept, in order, and sent before anything newer.

    Safe to use from several threads.
    """

    def __init__(self, store: Store, opening: Opening, unsent: Unsent, away: Mapping[str, Outage]) -> None:
        """Touches nothing.

        Args:
            away: the outage of each lane.
        """
        self._store = store
        self._opening = opening
        self._unsent = unsent
        self._away = away
        self._target: Target | None = None  # none before the store has answered, and after it did not
        self._lock = threading.RLock()

    @property
    def run_id(self) -> str:
        """MLflow's; empty as long as the store has not answered."""
        return self._target.run_id if self._target else ""

    def open(self) -> None:
        """Find the run, or make it; then send what was kept of it."""
        with self._lock:
            is_there = self._is_free(RECORDS) and self._attempt(RECORDS, lambda target: target.run_id)
            was_there = (
                is_there and self._target is not None and self._target.started != self._opening.started
            )
            if is_there and self._unsent.has(ARTIFACTS):
                self._is_free(ARTIFACTS)
            if self._opening.is_training and (was_there or not is_there):
                self._log({"kind": "status", "status": "RUNNING"})
                self.set_tags(dvc_tags())  # an experiment may find the model trained already

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log nested parameters as `group.name`; those the run already has stay as they are."""
        flat = {name: value[:_MAX_PARAM_LENGTH] for name, value in flatten(params).items()}
        self._log({"kind": "params", "params": flat})

    def log_rows(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Log rows of a training history: `row["step"]` is the step, blank (NaN) cells are left out.

        A row without a step has the number of seconds since the run began. Only steps newer than the store's are
        sent, so that a resumed training repeats none.
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
        """Log the fields of an MLflow dataset as an input; a second time changes nothing."""
        self._log({"kind": "dataset", "dataset": dict(dataset), "context": context})

    def log_session(self, texts: Mapping[str, str]) -> None:
        """Store texts by name as the artifacts of the next session, and count it."""
        begun = datetime.now(UTC).isoformat()
        self._log({"kind": "session", "begun": begun, "texts": dict(texts)})

    def log_version(self, version: Mapping[str, Any], model: Path) -> bool:
        """Register a saved model; whether the registry has it. `registration.py` says what a version holds."""
        return self._log({"kind": "version", **version}, model)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags, replacing those of the same names."""
        if tags:
            short = {name: str(value)[:_MAX_TAG_LENGTH] for name, value in tags.items()}
            self._log({"kind": "tags", "tags": short})

    def remove_tag(self, name: str) -> None:
        """Remove a tag, where the run has it."""
        self._log({"kind": "no_tag", "name": name})

    def tags(self) -> dict[str, str]:
        """The run's tags; in an outage those that it is going to be made with, where its training is kept."""
        found: dict[str, str] = {}
        if self.ask(lambda target: found.update(target.client.get_run(target.run_id).data.tags)):
            return found
        opening = self._unsent.opening()
        return dict(opening.tags) if opening.is_training else {}

    def facts(self) -> dict[str, str]:
        """What a reader needs to find the run again, or the word that the store does not answer."""
        found: dict[str, str] = {}

        def read(target: Target) -> None:
            run = target.client.get_run(target.run_id)
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
        return {"MLflow run": f"not reached; kept in data/.unsent, and sent by {SYNC_COMMAND}"}

    def finish(self, status: str) -> None:
        """End the run as FINISHED, KILLED or FAILED, after one more try to send what is kept."""
        for outage in self._away.values():
            outage.hurry()
        self._log({"kind": "status", "status": status, "time": _now()})
        with self._lock:
            if self._unsent.has(ARTIFACTS):
                self._is_free(ARTIFACTS)

    def sync(self) -> bool:
        """Send what is kept, now; whether nothing is left."""
        for outage in self._away.values():
            outage.hurry()
        with self._lock:
            for lane in _LANES:
                self._is_free(lane)
            return not any(self._unsent.has(lane) for lane in _LANES)

    def ask(self, question: Callable[[Target], object]) -> bool:
        """Read from the store; whether it answered."""
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
        """Send a record, or keep it; whether it was sent."""
        lane = lane_of(record)
        with self._lock:
            if self._is_free(lane) and self._attempt(lane, lambda target: send(target, record, source)):
                return True
            try:
                self._unsent.append(lane, record, source)
            except OSError as error:
                logger.warning("%s is lost to MLflow, for it cannot be kept: %s", record["kind"], error)
            return False

    def _is_free(self, lane: str) -> bool:
        """Whether the store answers as far as the lane needs it, and has what was kept before."""
        for needed in _LANES[: _LANES.index(lane) + 1]:
            away = self._away[needed]
            if not away.is_due():
                return False
            is_behind = away.is_on or self._unsent.has(needed)
            if is_behind and not self._attempt(needed, partial(self._send_kept, needed)):
                return False
        return True

    def _send_kept(self, lane: str, target: Target) -> None:
        with self._unsent.locked():
            left = self._unsent.read(lane)
            if not left:
                target.client.get_run(target.run_id)
                return
            try:
                for group in joined(left):
                    send_group(target, group, self._unsent.folder)
                    left = left[len(group) :]
            finally:
                self._unsent.replace(lane, left)

    def _attempt(self, lane: str, act: Callable[[Target], object]) -> bool:
        """Do something with the run in the store; whether it could be done."""
        try:
            if self._target is None:
                self._target = find_or_make(self._store, self._unsent.opening())
            act(self._target)
        except outages() as error:
            if lane == ARTIFACTS and not self._answers():
                lane = RECORDS  # all of MLflow is away, which is told once
            if lane == RECORDS:
                self._target = None
            self._away[lane].fail(error)
            return False
        self._away[lane].succeed()
        return True

    def _answers(self) -> bool:
        try:
            find_or_make(self._store, self._unsent.opening())
        except outages():
            return False
        return True


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as `group.name` → text."""
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
