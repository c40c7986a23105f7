"""A run by the tag that tells it, in a store that answers; made where there is none."""

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

from dino_pipeline.tracking.moved import local_path
from dino_pipeline.tracking.records import Target
from dino_pipeline.tracking.store import ARTIFACTS, Store, connect, experiment_id
from dino_pipeline.tracking.unsent import Opening

if TYPE_CHECKING:
    from mlflow import MlflowClient

FINGERPRINT_TAG = "fingerprint"
EARLIER_TAG = "earlier_fingerprint"  # of older versions of this code: one, or several with spaces between

logger = logging.getLogger(__name__)


def find_or_make(store: Store, opening: Opening) -> Target:
    """The run in the store.

    Raises:
        Exception: one of `outages()`: the store does not answer.
    """
    client = connect(store)
    experiment = experiment_id(client, store)
    _check_place(client.get_experiment(experiment).artifact_location, store)
    found = find(client, experiment, opening.found_by)
    if found is not None:
        return found
    made = client.create_run(
        experiment, start_time=opening.started, run_name=opening.name, tags=opening.tags
    ).info
    if not opening.is_training:
        client.set_terminated(made.run_id, "FINISHED")
    return Target(client, made.run_id, made.start_time)


def find(client: "MlflowClient", experiment: str, found_by: tuple[str, str]) -> Target | None:
    """The oldest run that bears the tag, if one does; of a fingerprint also one that bore it earlier."""
    tag, value = found_by
    runs = tagged_runs(client, experiment, tag, value)
    if not runs and tag == FINGERPRINT_TAG:
        runs = tagged_runs(client, experiment, EARLIER_TAG, value, among_others=True)
    return Target(client, runs[0].info.run_id, runs[0].info.start_time) if runs else None


def tagged_runs(
    client: "MlflowClient", experiment: str, tag: str, value: str, *, among_others: bool = False
) -> list[Any]:
    """Runs by a tag's value, or by one word of it; the oldest first."""
    asked = f"LIKE '%{value}%'" if among_others else f"= '{value}'"
    return list(client.search_runs([experiment], f"tags.{tag} {asked}", order_by=["attributes.start_time"]))


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
