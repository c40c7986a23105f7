"""Runs in the store: find one by a tag, create a missing one, list the runs of models, read artifacts."""

import json
import logging
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dino_pipeline.tracking.spool import RunSpec
from dino_pipeline.tracking.store import (
    ARTIFACTS_FOLDER,
    Store,
    all_pages,
    connect,
    experiment_id,
    local_path,
    plain_errors,
    silence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput
    from mlflow.entities import Run as StoreRun

FINGERPRINT_TAG = "fingerprint"
EARLIER_TAG = "earlier_fingerprint"  # from older versions of this code: one or several, separated by spaces
COMPARISON_TAG = "comparison_run"  # on the run that holds a comparison's table
STUDY_TAG = "study_run"  # on the run that contains a study's trials
DATA_TAG = "data_digest"  # of the newest manifest that the model was trained, selected or evaluated on
MANIFESTS = "data/manifests"  # artifacts: all of these manifests
ONLY_MANIFEST = "data/manifest.parquet"  # in its place, of runs that older versions of this code made

logger = logging.getLogger(__name__)


@dataclass
class StoredRun:
    """A run in a store that answers."""

    client: "MlflowClient"
    run_id: str
    started: int  # milliseconds since 1970
    newest_steps: dict[str, int] = field(default_factory=dict)  # by metric, for the metrics logged so far


class Run(NamedTuple):
    """A model's run as read from the store."""

    run_id: str
    name: str
    status: str
    tags: dict[str, str]
    data_digests: tuple[str, ...] = ()  # of its dataset inputs

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The model's fingerprint, then its fingerprints from older versions of this code."""
        return (self.tags[FINGERPRINT_TAG], *self.tags.get(EARLIER_TAG, "").split())


def get_or_create_run(store: Store, spec: RunSpec) -> StoredRun:
    """Find the run that the spec describes, or create it.

    Raises:
        Exception: one of `store_errors()`: the store does not answer.
    """
    client = connect(store)
    experiment = experiment_id(client, store)
    _check_place(client.get_experiment(experiment).artifact_location, store)
    found = find_by_tag(client, experiment, spec.found_by)
    if found is not None:
        return found
    made = client.create_run(experiment, start_time=spec.started, run_name=spec.name, tags=spec.tags).info
    if not spec.is_training:
        client.set_terminated(made.run_id, "FINISHED")
    return StoredRun(client, made.run_id, made.start_time)


def find_by_tag(client: "MlflowClient", experiment: str, found_by: tuple[str, str]) -> StoredRun | None:
    """The oldest run with this tag and value, or with this earlier fingerprint; None where there is none."""
    tag, value = found_by
    runs = tagged_runs(client, experiment, f"tags.{tag} = '{value}'")
    if not runs and tag == FINGERPRINT_TAG:
        runs = tagged_runs(client, experiment, f"tags.{EARLIER_TAG} LIKE '%{value}%'")
    return StoredRun(client, runs[0].info.run_id, runs[0].info.start_time) if runs else None


def tagged_runs(client: "MlflowClient", experiment: str, condition: str) -> "Sequence[StoreRun]":
    """Runs that meet a condition on their tags, the oldest first."""
    return client.search_runs([experiment], condition, order_by=["attributes.start_time"])


def runs_of_models(client: "MlflowClient", store: Store) -> list[Run]:
    """List every run with a model's fingerprint, the oldest first.

    Raises:
        ValueError: the store does not answer.
    """
    with plain_errors():
        found = all_pages(
            client.search_runs, [experiment_id(client, store)], order_by=["attributes.start_time"]
        )
        return [
            Run(
                run.info.run_id,
                run.info.run_name,
                run.info.status.lower(),
                dict(run.data.tags),
                tuple(map(_whole_digest, run.inputs.dataset_inputs)),
            )
            for run in found
            if FINGERPRINT_TAG in run.data.tags
        ]


def manifest_artifact(digest: str) -> str:
    """Where a run keeps the manifest with this digest."""
    return f"{MANIFESTS}/{digest[:16]}.parquet"


def artifact(client: "MlflowClient", run_id: str, name: str, folder: Path) -> Path | None:
    """Download a file of a run's artifacts into `folder`. Returns None where the run has no such file.

    Raises:
        ValueError: the store does not answer.
    """
    from mlflow.artifacts import download_artifacts

    with plain_errors(), silence():
        if name not in {file.path for file in client.list_artifacts(run_id, name.rpartition("/")[0] or None)}:
            return None
        return Path(
            download_artifacts(
                run_id=run_id, artifact_path=name, dst_path=str(folder), tracking_uri=client.tracking_uri
            )
        )


def _whole_digest(used: "DatasetInput") -> str:
    digest: str = json.loads(used.dataset.profile or "{}").get("digest", used.dataset.digest)
    return digest


def _check_place(address: str, store: Store) -> None:
    """Warn where MLflow would write artifacts into the old folder of a moved project."""
    if not store.file or not address.startswith("file:"):
        return
    if local_path(address).resolve() != (store.file.parent / ARTIFACTS_FOLDER).resolve():
        _warn_of_move(str(local_path(address)))


@cache
def _warn_of_move(address: str) -> None:
    logger.warning(
        "this project was moved or copied, but MLflow still writes its artifacts to %s: run `dino-pipeline "
        "repair-artifacts`",
        address,
    )
