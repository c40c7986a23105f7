"""Send each kind of record. A record that is sent twice reaches the store once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.tracking.registry import send_version
from dino_pipeline.tracking.runs import StoredRun
from dino_pipeline.tracking.spool import ARTIFACTS, RECORDS, Record
from dino_pipeline.tracking.store import in_short

if TYPE_CHECKING:
    from mlflow.entities import Metric

_MAX_METRICS = 1000
_MAX_PARAMS = 100
SESSIONS = "sessions"  # a folder of artifacts
RESUMED_TAG = "resumed"  # counts resumptions
_NEWEST_SESSION_TAG = "newest_session"  # start time, which identifies a session

logger = logging.getLogger(__name__)


def channel_of(record: Record) -> str:
    """The channel of a record."""
    return ARTIFACTS if record["kind"] in ("file", "text", "session", "version") else RECORDS


def send(stored: StoredRun, record: Record, source: Path | None) -> None:
    """Send a record. Log and drop a record that MLflow never accepts, such as another value of a parameter."""
    from mlflow.exceptions import MlflowException

    try:
        _SENDERS[record["kind"]](stored, record, source)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        logger.warning("MLflow rejects some of a run's %s: %s", record["kind"], in_short(error))


def grouped(records: Sequence[Record]) -> list[list[Record]]:
    """Group consecutive rows of a history, so that each group is sent at once. Any other record is its own group."""
    groups: list[list[Record]] = []
    for record in records:
        if groups and record["kind"] == groups[-1][0]["kind"] == "rows":
            groups[-1].append(record)
        else:
            groups.append([record])
    return groups


def send_group(stored: StoredRun, group: Sequence[Record], folder: Path) -> None:
    """Send a group of spooled records.

    Args:
        folder: the base folder of the records' files.
    """
    first = group[0]
    if first["kind"] == "rows":
        send(stored, {"kind": "rows", "rows": [row for record in group for row in record["rows"]]}, None)
    else:
        send(stored, first, folder / first["source"] if "source" in first else None)


def _params(stored: StoredRun, record: Record, _: Path | None) -> None:
    from mlflow.entities import Param

    known = stored.client.get_run(stored.run_id).data.params
    new = [Param(key, value) for key, value in record["params"].items() if key not in known]
    for start in range(0, len(new), _MAX_PARAMS):
        stored.client.log_batch(stored.run_id, params=new[start : start + _MAX_PARAMS])


def _rows(stored: StoredRun, record: Record, _: Path | None) -> None:
    """Send only the steps after the store's newest one, so that a resumed training repeats none."""
    from mlflow.entities import Metric

    names = {name for row in record["rows"] for name in row["values"]} - stored.newest_steps.keys()
    if names:
        # Read the newest value of each metric with its step. Whole histories would take long.
        newest = {
            metric.key: metric.step for metric in stored.client.get_run(stored.run_id).data._metric_objs
        }
        stored.newest_steps |= {name: newest.get(name, -1) for name in names}
    metrics = []
    for row in record["rows"]:
        step = (row["time"] - stored.started) // 1000 if row["step"] is None else row["step"]
        for name, value in row["values"].items():
            if step > stored.newest_steps[name]:
                metrics.append(Metric(name, value, row["time"], step))
                stored.newest_steps[name] = step
    _send_metrics(stored, metrics)


def _metrics(stored: StoredRun, record: Record, _: Path | None) -> None:
    from mlflow.entities import Metric

    # MLflow treats equal name, value, step and time as one point.
    _send_metrics(
        stored,
        [Metric(name, value, record["time"], record["step"]) for name, value in record["metrics"].items()],
    )


def _send_metrics(stored: StoredRun, metrics: "Sequence[Metric]") -> None:
    for start in range(0, len(metrics), _MAX_METRICS):
        stored.client.log_batch(stored.run_id, metrics=metrics[start : start + _MAX_METRICS])


def _tags(stored: StoredRun, record: Record, _: Path | None) -> None:
    _set_tags(stored, record["tags"])


def _set_tags(stored: StoredRun, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    stored.client.log_batch(stored.run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _no_tag(stored: StoredRun, record: Record, _: Path | None) -> None:
    if record["name"] in stored.client.get_run(stored.run_id).data.tags:
        stored.client.delete_tag(stored.run_id, record["name"])


def _dataset(stored: StoredRun, record: Record, _: Path | None) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    tags = [InputTag(MLFLOW_DATASET_CONTEXT, record["context"])]
    stored.client.log_inputs(stored.run_id, datasets=[DatasetInput(Dataset(**record["dataset"]), tags)])


def _status(stored: StoredRun, record: Record, _: Path | None) -> None:
    if record["status"] == "RUNNING":
        stored.client.update_run(stored.run_id, status="RUNNING")
    else:
        stored.client.set_terminated(stored.run_id, record["status"], end_time=record["time"])


def _file(stored: StoredRun, record: Record, source: Path | None) -> None:
    assert source is not None
    if source.is_dir():
        stored.client.log_artifacts(stored.run_id, str(source), record["folder"])
    else:
        stored.client.log_artifact(stored.run_id, str(source), record["folder"])


def _text(stored: StoredRun, record: Record, _: Path | None) -> None:
    stored.client.log_text(stored.run_id, record["text"], record["name"])


def _session(stored: StoredRun, record: Record, _: Path | None) -> None:
    """Number a session when it is sent, since the number follows from the store's sessions."""
    tags = stored.client.get_run(stored.run_id).data.tags
    if tags.get(_NEWEST_SESSION_TAG) == record["begun"]:
        return  # sent before, but the answer was lost
    num_before = int(tags[RESUMED_TAG]) + 1 if RESUMED_TAG in tags else 0
    for name, text in record["texts"].items():
        stored.client.log_text(stored.run_id, text, f"{SESSIONS}/{num_before + 1}/{name}")
    _set_tags(stored, {RESUMED_TAG: str(num_before), _NEWEST_SESSION_TAG: record["begun"]})


def _version(stored: StoredRun, record: Record, source: Path | None) -> None:
    assert source is not None
    send_version(stored.client, stored.run_id, record, source)


_SENDERS: Mapping[str, Callable[[StoredRun, Record, Path | None], None]] = {
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
