"""Finding, opening and making the run of a model."""

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from dino_pipeline.tracking.finding_runs import FINGERPRINT_TAG as FINGERPRINT_TAG
from dino_pipeline.tracking.finding_runs import find
from dino_pipeline.tracking.origin import origin_tags
from dino_pipeline.tracking.outage import ARTIFACTS, RECORDS, SYNC_COMMAND, Outage
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.store import (
    Store,
    connect,
    experiment_id,
    in_short,
    outages,
    quieten,
    without_passwords,
)
from dino_pipeline.tracking.unsent import FOLDER, Opening, Unsent, kept_runs
from dino_pipeline.tracking.untracked import UntrackedRun
from dino_pipeline.workspace.experiment_copy import outside_copy

COMPARISON_TAG = "comparison_run"  # of the run that holds a comparison's table
STUDY_TAG = "study_run"  # of the run that a study's trials are nested in

logger = logging.getLogger(__name__)

_store: Store | None = None
_away = {lane: Outage(lane) for lane in (RECORDS, ARTIFACTS)}


def configure(project_path: Path, tags: Mapping[str, str] | None = None) -> Store:
    """Say where runs are kept: `MLFLOW_TRACKING_URI`, or the project's mlruns/mlflow.db. Touches nothing.

    Args:
        project_path: the project's folder, or the copy in which DVC runs an experiment, whose runs are kept with
            the project's. A relative sqlite address would hang on the current folder.
        tags: borne by every run made from now on, such as the recipe.
    """
    global _store, _away
    root = project_path.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{outside_copy(root) / 'mlruns' / 'mlflow.db'}"
    _store = Store(uri=uri, project_path=root, tags=dict(tags or {}))
    _away = {lane: Outage(lane) for lane in _away}
    return _store


def open_model_run(fingerprint: str, *, name: str, tags: Mapping[str, str] | None = None) -> ModelRun:
    """The run of the model that is being trained: the one its interrupted training left, or a new one.

    Use it as a context manager: it ends FINISHED, KILLED (Ctrl-C, SIGTERM) or FAILED.
    """
    return _open((FINGERPRINT_TAG, fingerprint), name=name, tags=tags, is_training=True)


def open_comparison_run(comparison: str) -> ModelRun:
    """The run that holds the table and plot of a comparison of models, used as `open_model_run`'s."""
    return _open((COMPARISON_TAG, comparison), name=comparison, tags=None, is_training=True)


def open_study_run(study: str) -> ModelRun:
    """The run that the models of a study's trials are nested in, used as `open_model_run`'s."""
    return _open((STUDY_TAG, study), name=study, tags=None, is_training=True)


def model_run(
    fingerprint: str, *, name: str | None = None, tags: Mapping[str, str] | None = None
) -> ModelRun:
    """The run of a finished model, its status left alone; made and tagged `imported` where there is none."""
    return _open(
        (FINGERPRINT_TAG, fingerprint),
        name=name or f"imported-{fingerprint[:8]}",
        tags={**(tags or {}), "imported": "true"},
        is_training=False,
    )


def find_run(fingerprint: str) -> ModelRun | None:
    """The run of a model, as it is; None where there is none or the store does not answer."""
    if _store is None or not _away[RECORDS].is_due():
        return None
    quieten()
    found_by = (FINGERPRINT_TAG, fingerprint)
    try:
        client = connect(_store)
        if find(client, experiment_id(client, _store), found_by) is None:
            return None
    except outages() as error:
        _away[RECORDS].fail(error)
        return None
    return _open(found_by, name="", tags=None, is_training=False)


def sync_kept_runs() -> list[str]:
    """Send what is kept of every run to the store; their names.

    Raises:
        ValueError: the store does not take all of it, or is another one than it was kept for.
    """
    assert _store is not None
    quieten()
    address = _address(_store)
    sent = []
    for unsent in kept_runs(_unsent_root(_store)):
        opening = unsent.opening()
        if opening.store != address:
            raise ValueError(
                f"{unsent.folder} was kept for {opening.store}, and MLFLOW_TRACKING_URI leads to {address}: set it to "
                "that one, or write the new address into opening.json if the server has moved"
            )
        try:
            connect(_store)
        except outages() as error:
            raise ValueError(f"MLflow's store does not answer, all stays kept: {in_short(error)}") from error
        if not ModelRun(_store, opening, unsent, _away).sync():
            raise ValueError(f"MLflow's store does not take all of it; the rest stays in {unsent.folder}")
        sent.append(opening.name)
    return sent


def has_unsent(store: Store, fingerprint: str) -> bool:
    """Whether something is kept of a model's run."""
    return any(
        unsent.opening().found_by == (FINGERPRINT_TAG, fingerprint)
        for unsent in kept_runs(_unsent_root(store))
    )


def remind_of_unsent() -> None:
    """Say that something is kept, and which command sends it; nothing where nothing is."""
    if _store is not None and kept_runs(_unsent_root(_store)):
        logger.warning("kept for MLflow in %s: `%s` sends it", FOLDER, SYNC_COMMAND)


def _open(
    found_by: tuple[str, str], *, name: str, tags: Mapping[str, str] | None, is_training: bool
) -> ModelRun:
    if _store is None:
        logger.debug("No tracking is configured: run %s is not tracked.", name)
        return UntrackedRun()
    quieten()
    opening = Opening(
        store=_address(_store),
        found_by=found_by,
        name=name,
        tags={
            **origin_tags(_store.project_path),
            **_store.tags,
            **(tags or {}),
            found_by[0]: found_by[1],
        },
        started=int(time.time() * 1000),
        is_training=is_training,
    )
    run = ModelRun(_store, opening, Unsent(_unsent_root(_store), opening), _away)
    run.open()
    return run


def _unsent_root(store: Store) -> Path:
    return outside_copy(store.project_path) / FOLDER


def _address(store: Store) -> str:
    """The store's address, which for the project's own does not change when the project is moved."""
    own = outside_copy(store.project_path) / "mlruns" / "mlflow.db"
    return "mlruns/mlflow.db" if store.file == own else without_passwords(store.uri)
