"""The runs of models, for those who look back: what each was trained on, and what it left."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dino_pipeline.tracking.finding_runs import EARLIER_TAG, FINGERPRINT_TAG
from dino_pipeline.tracking.store import Store, asked, experiment_id, silence

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATA_TAG = "data_digest"
MANIFEST = "data/manifest.parquet"  # of the artifacts: what the model was trained, chosen and measured on


class Run(NamedTuple):
    """A model's run."""

    run_id: str
    name: str
    status: str
    tags: dict[str, str]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """That of its model, then those that older versions of this code gave it."""
        return (self.tags[FINGERPRINT_TAG], *self.tags.get(EARLIER_TAG, "").split())


def runs_of_models(client: "MlflowClient", store: Store) -> list[Run]:
    """Every run that bears a model's fingerprint, the oldest first."""
    with asked():
        experiment = experiment_id(client, store)
        found: list[Run] = []
        token = None
        while True:
            page = client.search_runs([experiment], order_by=["attributes.start_time"], page_token=token)
            found += [_run(run) for run in page if FINGERPRINT_TAG in run.data.tags]
            token = page.token
            if not token:
                return found


def run_of(client: "MlflowClient", run_id: str) -> Run:
    """One run.

    Raises:
        ValueError: there is none of this id.
    """
    with asked():
        return _run(client.get_run(run_id))


def artifact(client: "MlflowClient", run_id: str, name: str, folder: Path) -> Path | None:
    """Bring a file of a run's artifacts into `folder`; None where there is none."""
    from mlflow.artifacts import download_artifacts

    with asked(), silence():
        if name not in {file.path for file in client.list_artifacts(run_id, name.rpartition("/")[0] or None)}:
            return None
        return Path(
            download_artifacts(
                run_id=run_id, artifact_path=name, dst_path=str(folder), tracking_uri=client.tracking_uri
            )
        )


def _run(run: Any) -> Run:
    return Run(run.info.run_id, run.info.run_name, run.info.status.lower(), dict(run.data.tags))
