"""The log of promotions in MLflow: one run an entry, made whole in one call, and never changed."""

import json
from typing import TYPE_CHECKING, Any

from dino_pipeline.tracking.store import Store, asked, experiment_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "promotions"
_ENTRY, _NAME = "entry", "registered_model"


def append_entry(
    client: "MlflowClient",
    store: Store,
    name: str,
    entry: dict[str, Any],
    *,
    title: str,
    metrics: dict[str, float],
) -> None:
    """Add an entry to a registered model's log.

    Args:
        name: the registered model.
        entry: JSON-ready values.
        title: of the run, in MLflow's table.
        metrics: columns of that table; the entry holds them, too.
    """
    from mlflow.entities import Metric

    with asked():
        # With its tags a run comes into being in one transaction: no entry is ever half there.
        tags = {_NAME: name, _ENTRY: json.dumps(entry)}
        run = client.create_run(experiment_id(client, store, EXPERIMENT), run_name=title, tags=tags)
        started = run.info.start_time
        client.log_batch(
            run.info.run_id, metrics=[Metric(key, value, started, 0) for key, value in metrics.items()]
        )
        client.set_terminated(run.info.run_id)


def read_entries(client: "MlflowClient", store: Store, name: str) -> list[dict[str, Any]]:
    """A registered model's log, the oldest entry first."""
    with asked():
        experiment = experiment_id(client, store, EXPERIMENT)
        entries: list[dict[str, Any]] = []
        token = None
        while True:
            page = client.search_runs(
                [experiment],
                f"tags.{_NAME} = '{name}'",
                order_by=["attributes.start_time"],
                page_token=token,
            )
            entries += [json.loads(run.data.tags[_ENTRY]) for run in page]
            token = page.token
            if not token:
                return entries
