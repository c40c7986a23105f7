"""Finding, opening and making the run of a model."""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.tracking.origin import origin_tags
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.store import Store, connect, experiment_id, in_short, outages, quieten

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

FINGERPRINT_TAG = "fingerprint"

logger = logging.getLogger(__name__)

_store: Store | None = None


def configure(project_path: Path, tags: Mapping[str, str] | None = None) -> Store:
    """Say where runs are kept: `MLFLOW_TRACKING_URI`, or the project's mlruns/mlflow.db. Touches nothing.

    Args:
        project_path: the project's folder. A relative sqlite address would hang on the current folder.
        tags: borne by every run made from now on, such as the recipe.
    """
    global _store
    root = project_path.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlruns' / 'mlflow.db'}"
    _store = Store(uri=uri, project_path=root, tags=dict(tags or {}))
    return _store


def open_model_run(fingerprint: str, *, name: str, tags: Mapping[str, str] | None = None) -> ModelRun:
    """The run of the model that is being trained: the one its interrupted training left, or a new one.

    Use it as a context manager: it ends FINISHED, KILLED (Ctrl-C, SIGTERM) or FAILED.
    """
    return _open(fingerprint, name=name, tags=tags, status="RUNNING")


def model_run(
    fingerprint: str, *, name: str | None = None, tags: Mapping[str, str] | None = None
) -> ModelRun:
    """The run of a finished model, its status left alone; made and tagged `imported` where there is none."""
    return _open(
        fingerprint, name=name or f"imported-{fingerprint[:8]}", tags={**(tags or {}), "imported": "true"}
    )


def run_id_of(fingerprint: str) -> str | None:
    """The id of a model's run; None where it has none, or the store does not answer."""
    if _store is None:
        return None
    quieten()
    try:
        client = connect(_store)
        found = _find(client, experiment_id(client, _store), fingerprint)
    except outages() as error:
        _warn_once(in_short(error))
        return None
    return found[0].info.run_id if found else None


def _find(client: "MlflowClient", experiment: str, fingerprint: str) -> "Sequence[Run]":
    return client.search_runs(
        [experiment], f"tags.{FINGERPRINT_TAG} = '{fingerprint}'", order_by=["attributes.start_time"]
    )


def _open(
    fingerprint: str, *, name: str, tags: Mapping[str, str] | None, status: str | None = None
) -> ModelRun:
    if _store is None:
        logger.debug("No tracking is configured: run %s is not tracked.", name)
        return ModelRun(None, "")
    quieten()
    try:
        client = connect(_store)
        experiment = experiment_id(client, _store)
        found = _find(client, experiment, fingerprint)
        if found:
            run_id = found[0].info.run_id
            if status:
                client.update_run(run_id, status=status)
        else:
            all_tags = {
                **origin_tags(_store.project_path),
                **_store.tags,
                **(tags or {}),
                FINGERPRINT_TAG: fingerprint,
            }
            run_id = client.create_run(experiment, run_name=name, tags=all_tags).info.run_id
            if not status:
                client.set_terminated(run_id, "FINISHED")
    except outages() as error:
        _warn_once(in_short(error))
        return ModelRun(None, "")
    return ModelRun(client, run_id)


@cache
def _warn_once(reason: str) -> None:
    # Each stage opens the run; the first warning says it all.
    logger.warning("MLflow's store does not answer, so this is not tracked: %s", reason)
