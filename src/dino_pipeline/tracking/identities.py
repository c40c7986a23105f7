"""A model that got a new fingerprint: its run and registered versions bear both, and either finds them."""

from dino_pipeline.tracking.finding_runs import EARLIER_TAG, FINGERPRINT_TAG, tagged_runs
from dino_pipeline.tracking.opening import has_unsent
from dino_pipeline.tracking.outage import SYNC_COMMAND
from dino_pipeline.tracking.store import Store, asked, connect, experiment_id, quieten


def rename_model(store: Store, earlier: str, fingerprint: str) -> None:
    """Tag the run and the registered versions of a model with its new fingerprint; another tag keeps the earlier one.

    A second time changes nothing, and finishes what a kill has interrupted.

    Raises:
        ValueError: the store does not answer, or does not have all that belongs to the run yet.
    """
    if has_unsent(store, earlier):
        raise ValueError(f"MLflow lacks some of its run: `{SYNC_COMMAND}` first")
    quieten()
    with asked():
        client = connect(store)
        for run in tagged_runs(client, experiment_id(client, store), FINGERPRINT_TAG, earlier):
            known = run.data.tags.get(EARLIER_TAG, "")
            client.set_tag(run.info.run_id, EARLIER_TAG, _with(known, earlier))
            client.set_tag(
                run.info.run_id, FINGERPRINT_TAG, fingerprint
            )  # last: it is what a next time looks for
        for version in client.search_model_versions(f"tags.{FINGERPRINT_TAG} = '{earlier}'"):
            known = version.tags.get(EARLIER_TAG, "")
            for tag, value in ((EARLIER_TAG, _with(known, earlier)), (FINGERPRINT_TAG, fingerprint)):
                client.set_model_version_tag(version.name, version.version, tag, value)


def _with(known: str, earlier: str) -> str:
    return " ".join(dict.fromkeys((*known.split(), earlier)))
