"""How each kind of record is sent, so that a record sent twice is in the store once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.tracking.registration import send_version
from dino_pipeline.tracking.retry import ARTIFACTS, RECORDS
from dino_pipeline.tracking.spool import Record
from dino_pipeline.tracking.store import in_short

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_MAX_METRICS = 1000
_MAX_PARAMS = 100
SESSIONS = "sessions"  # the folder of artifacts
RESUMED_TAG = "resumed"  # how often
_NEWEST_SESSION_TAG = "newest_session"  # when it began, by which a session is known

logger = logging.getLogger(__name__)


@dataclass
class Target:
    """A run in a store that answers."""

    client: "MlflowClient"
    run_id: str
    started: int  # milliseconds since 1970
    newest_steps: dict[str, int] = field(default_factory=dict)  # of the metrics met so far


def lane_of(record: Record) -> str:
    """Which of MLflow's stores a record needs."""
    return ARTIFACTS if record["kind"] in ("file", "text", "session", "version") else RECORDS


def send(target: Target, record: Record, source: Path | None) -> None:
    """Send a record; one that MLflow will never take, such as a parameter's other value, is told and left."""
    from mlflow.exceptions import MlflowException

    try:
        _SENDERS[record["kind"]](target, record, source)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        logger.warning("MLflow refuses some of a run's %s: %s", record["kind"], in_short(error))


def joined(records: Sequence[Record]) -> list[list[Record]]:
    """Records in groups that are sent at once: rows of a history that follow one another."""
    groups: list[list[Record]] = []
    for record in records:
        if groups and record["kind"] == groups[-1][0]["kind"] == "rows":
            groups[-1].append(record)
        else:
            groups.append([record])
    return groups


def send_group(target: Target, group: Sequence[Record], folder: Path) -> None:
    """Send a group of kept records.

    Args:
        folder: their files are below.
    """
    first = group[0]
    if first["kind"] == "rows":
        send(target, {"kind": "rows", "rows": [row for record in group for row in record["rows"]]}, None)
    else:
        send(target, first, folder / first["source"] if "source" in first else None)


def _params(target: Target, record: Record, _: Path | None) -> None:
    from mlflow.entities import Param

    known = target.client.get_run(target.run_id).data.params
    new = [Param(key, value) for key, value in record["params"].items() if key not in known]
    for start in range(0, len(new), _MAX_PARAMS):
        target.client.log_batch(target.run_id, params=new[start : start + _MAX_PARAMS])


def _rows(target: Target, record: Record, _: Path | None) -> None:
    """Only steps newer than the store's are sent: a resumed training repeats none."""
    from mlflow.entities import Metric

    names = {name for row in record["rows"] for name in row["values"]} - target.newest_steps.keys()
    if names:
        # The newest of each, with its step; reading whole histories would take long.
        stored = target.client.get_run(target.run_id).data._metric_objs
        newest = {metric.key: metric.step for metric in stored}
        target.newest_steps |= {name: newest.get(name, -1) for name in names}
    metrics = []
    for row in record["rows"]:
        step = (row["time"] - target.started) // 1000 if row["step"] is None else row["step"]
        for name, value in row["values"].items():
            if step > target.newest_steps[name]:
                metrics.append(Metric(name, value, row["time"], step))
                target.newest_steps[name] = step
    _send_metrics(target, metrics)


def _metrics(target: Target, record: Record, _: Path | None) -> None:
    from mlflow.entities import Metric

    # The same name, value, step and time are one point to MLflow.
    _send_metrics(
        target,
        [Metric(name, value, record["time"], record["step"]) for name, value in record["metrics"].items()],
    )


def _send_metrics(target: Target, metrics: "Sequence[Metric]") -> None:
    for start in range(0, len(metrics), _MAX_METRICS):
        target.client.log_batch(target.run_id, metrics=metrics[start : start + _MAX_METRICS])


def _tags(target: Target, record: Record, _: Path | None) -> None:
    _set_tags(target, record["tags"])


def _set_tags(target: Target, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    target.client.log_batch(target.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _no_tag(target: Target, record: Record, _: Path | None) -> None:
    if record["name"] in target.client.get_run(target.run_id).data.tags:
        target.client.delete_tag(target.run_id, record["name"])


def _dataset(target: Target, record: Record, _: Path | None) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    tags = [InputTag(MLFLOW_DATASET_CONTEXT, record["context"])]
    target.client.log_inputs(target.run_id, datasets=[DatasetInput(Dataset(**record["dataset"]), tags)])


def _status(target: Target, record: Record, _: Path | None) -> None:
    if record["status"] == "RUNNING":
        target.client.update_run(target.run_id, status="RUNNING")
    else:
        target.client.set_terminated(target.run_id, record["status"], end_time=record["time"])


def _file(target: Target, record: Record, source: Path | None) -> None:
    assert source is not None
    if source.is_dir():
        target.client.log_artifacts(target.run_id, str(source), record["folder"])
    else:
        target.client.log_artifact(target.run_id, str(source), record["folder"])


def _text(target: Target, record: Record, _: Path | None) -> None:
    target.client.log_text(target.run_id, record["text"], record["name"])


def _session(target: Target, record: Record, _: Path | None) -> None:
    """A session's number follows from the store's, so it is given when the session is sent."""
    tags = target.client.get_run(target.run_id).data.tags
    if tags.get(_NEWEST_SESSION_TAG) == record["begun"]:
        return  # sent before, and the answer was lost
    num_before = int(tags[RESUMED_TAG]) + 1 if RESUMED_TAG in tags else 0
    for name, text in record["texts"].items():
        target.client.log_text(target.run_id, text, f"{SESSIONS}/{num_before + 1}/{name}")
    _set_tags(target, {RESUMED_TAG: str(num_before), _NEWEST_SESSION_TAG: record["begun"]})


def _version(target: Target, record: Record, source: Path | None) -> None:
    assert source is not None
    send_version(target.client, target.run_id, record, source)


_SENDERS: Mapping[str, Callable[[Target, Record, Path | None], None]] = {
    "params": _params,
    "rows": _rows,
    "metrics": _metrics,
    "tags": _tags,
    "no_tag": _no_tag,
    "dataset": _dataset,
    "status": _status,
    "file": _file,
    "text": _text,
    "session": _session,
    "version": _version,
}
