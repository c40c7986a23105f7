"""Give a model's run and registered versions a new fingerprint. Both the old and the new one then find them."""

from dino_pipeline.tracking.retry import SYNC_COMMAND
from dino_pipeline.tracking.runs import EARLIER_TAG, FINGERPRINT_TAG, tagged_runs
from dino_pipeline.tracking.store import Store, connect, experiment_id, plain_errors, quieten
from dino_pipeline.tracking.tracker import has_spooled


def rename_model(store: Store, earlier: str, fingerprint: str) -> None:
    """Tag the run and the registered versions of a model with its new fingerprint. Another tag keeps the earlier one.

    A second call changes nothing, and completes an interrupted call.

    Raises:
        ValueError: the store does not answer, or some records of the run are still spooled.
    """
    if has_spooled(store, earlier):
        raise ValueError(f"MLflow lacks some of its run: `{SYNC_COMMAND}` first")
    quieten()
    condition = f"tags.{FINGERPRINT_TAG} = '{earlier}'"
    with plain_errors():
        client = connect(store)
        for run in tagged_runs(client, experiment_id(client, store), condition):
            known = run.data.tags.get(EARLIER_TAG, "")
            client.set_tag(run.info.run_id, EARLIER_TAG, _with(known, earlier))
            # Last, since the next call looks for this tag.
            client.set_tag(run.info.run_id, FINGERPRINT_TAG, fingerprint)
        for version in client.search_model_versions(condition):
            known = version.tags.get(EARLIER_TAG, "")
            for tag, value in ((EARLIER_TAG, _with(known, earlier)), (FINGERPRINT_TAG, fingerprint)):
                client.set_model_version_tag(version.name, version.version, tag, value)


def _with(known: str, earlier: str) -> str:
    return " ".join(dict.fromkeys((*known.split(), earlier)))
