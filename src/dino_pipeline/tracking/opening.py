"""Finding, opening and making the run of a model."""

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.experiment_copy import outside_copy
from dino_pipeline.tracking.moved import local_path
from dino_pipeline.tracking.origin import dvc_tags, origin_tags
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.store import ARTIFACTS, Store, connect, experiment_id, in_short, outages, quieten

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT_TAG = "fingerprint"
COMPARISON_TAG = "comparison_run"  # of the run that holds a comparison's table
STUDY_TAG = "study_run"  # of the run that a study's trials are nested in

logger = logging.getLogger(__name__)

_store: Store | None = None


def configure(project_path: Path, tags: Mapping[str, str] | None = None) -> Store:
    """Say where runs are kept: `MLFLOW_TRACKING_URI`, or the project's mlruns/mlflow.db. Touches nothing.

    Args:
        project_path: the project's folder, or the copy in which DVC runs an experiment, whose runs are kept with
            the project's. A relative sqlite address would hang on the current folder.
        tags: borne by every run made from now on, such as the recipe.
    """
    global _store
    root = project_path.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{outside_copy(root) / 'mlruns' / 'mlflow.db'}"
    _store = Store(uri=uri, project_path=root, tags=dict(tags or {}))
    return _store


def open_model_run(fingerprint: str, *, name: str, tags: Mapping[str, str] | None = None) -> ModelRun:
    """The run of the model that is being trained: the one its interrupted training left, or a new one.

    Use it as a context manager: it ends FINISHED, KILLED (Ctrl-C, SIGTERM) or FAILED.
    """
    return _open((FINGERPRINT_TAG, fingerprint), name=name, tags=tags, status="RUNNING")


def open_comparison_run(comparison: str) -> ModelRun:
    """The run that holds the table and plot of a comparison of models, used as `open_model_run`'s."""
    return _open((COMPARISON_TAG, comparison), name=comparison, tags=None, status="RUNNING")


def open_study_run(study: str) -> ModelRun:
    """The run that the models of a study's trials are nested in, used as `open_model_run`'s."""
    return _open((STUDY_TAG, study), name=study, tags=None, status="RUNNING")


def model_run(
    fingerprint: str, *, name: str | None = None, tags: Mapping[str, str] | None = None
) -> ModelRun:
    """The run of a finished model, its status left alone; made and tagged `imported` where there is none."""
    return _open(
        (FINGERPRINT_TAG, fingerprint),
        name=name or f"imported-{fingerprint[:8]}",
        tags={**(tags or {}), "imported": "true"},
    )


def find_run(fingerprint: str) -> ModelRun | None:
    """The run of a model, as it is; None where there is none or the store does not answer."""
    if _store is None:
        return None
    quieten()
    try:
        client = connect(_store)
        return _found(client, experiment_id(client, _store), (FINGERPRINT_TAG, fingerprint))
    except outages() as error:
        _warn_once(in_short(error))
        return None


def _open(
    found_by: tuple[str, str], *, name: str, tags: Mapping[str, str] | None, status: str | None = None
) -> ModelRun:
    if _store is None:
        logger.debug("No tracking is configured: run %s is not tracked.", name)
        return ModelRun(None, "")
    quieten()
    try:
        client = connect(_store)
        experiment = experiment_id(client, _store)
        _check_place(client.get_experiment(experiment).artifact_location, _store)
        opened = _found(client, experiment, found_by)
        if opened is None:
            all_tags = {
                **origin_tags(_store.project_path),
                **_store.tags,
                **(tags or {}),
                found_by[0]: found_by[1],
            }
            made = client.create_run(experiment, run_name=name, tags=all_tags).info
            if not status:
                client.set_terminated(made.run_id, "FINISHED")
            return ModelRun(client, made.run_id, started=made.start_time / 1000)
        if status:
            client.update_run(opened.run_id, status=status)
            opened.set_tags(dvc_tags())  # an experiment may find the model trained already
    except outages() as error:
        _warn_once(in_short(error))
        return ModelRun(None, "")
    return opened


def _found(client: "MlflowClient", experiment: str, found_by: tuple[str, str]) -> ModelRun | None:
    tag, value = found_by
    runs = client.search_runs([experiment], f"tags.{tag} = '{value}'", order_by=["attributes.start_time"])
    return ModelRun(client, runs[0].info.run_id, started=runs[0].info.start_time / 1000) if runs else None


def _check_place(address: str, store: Store) -> None:
    """Artifacts written to where a moved project was before would be lost to it."""
    if not store.file or not address.startswith("file:"):
        return
    if local_path(address).resolve() != (store.file.parent / ARTIFACTS).resolve():
        _warn_of_move(str(local_path(address)))


@cache
def _warn_of_move(address: str) -> None:
    logger.warning(
        "this project was moved or copied, and MLflow still keeps its artifacts in %s: "
        "`dino-pipeline repair-artifacts` puts that right",
        address,
    )


@cache
def _warn_once(reason: str) -> None:
    # Each stage opens the run; the first warning says it all.
    logger.warning("MLflow's store does not answer, so this is not tracked: %s", reason)
