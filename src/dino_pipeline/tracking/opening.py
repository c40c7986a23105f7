"""Finding, opening and making the run of a model."""

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from dino_pipeline.tracking.origin import origin_tags
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.store import Store, connect, experiment_id, in_short, outages, quieten

FINGERPRINT_TAG = "fingerprint"
STUDY_TAG = "study_run"  # of the run that a study's trials are nested in

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
    return _open((FINGERPRINT_TAG, fingerprint), name=name, tags=tags, status="RUNNING")


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


def _open(
    found_by: tuple[str, str], *, name: str, tags: Mapping[str, str] | None, status: str | None = None
) -> ModelRun:
    tag, value = found_by
    if _store is None:
        logger.debug("No tracking is configured: run %s is not tracked.", name)
        return ModelRun(None, "")
    quieten()
    try:
        client = connect(_store)
        experiment = experiment_id(client, _store)
        found = client.search_runs(
            [experiment], f"tags.{tag} = '{value}'", order_by=["attributes.start_time"]
        )
        if found:
            run_id = found[0].info.run_id
            if status:
                client.update_run(run_id, status=status)
        else:
            all_tags = {
                **origin_tags(_store.project_path),
                **_store.tags,
                **(tags or {}),
                tag: value,
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
