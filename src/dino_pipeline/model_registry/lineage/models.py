"""The models in MLflow: trained or imported here, registered, or both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dino_pipeline.dino.weights.importing import UNKNOWN_DATA
from dino_pipeline.tracking.git_info import COMMIT_TAG
from dino_pipeline.tracking.registry import Version, versions
from dino_pipeline.tracking.runs import DATA_TAG, FINGERPRINT_TAG, Run, runs_of_models
from dino_pipeline.tracking.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Model(NamedTuple):
    """A fingerprint with its run and its registered versions."""

    fingerprint: str
    # the newest first; none: trained elsewhere, and no run here recorded its data
    data_digests: tuple[str, ...]
    recipe: str
    run: Run | None
    versions: Sequence[Version]

    @property
    def data_digest(self) -> str | None:
        """Of the newest data. Their train images are those of all its data: the fingerprint depends on them."""
        return self.data_digests[0] if self.data_digests else None

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The present fingerprint, then the fingerprints from older versions of this code."""
        return self.run.fingerprints if self.run else (self.fingerprint,)

    @property
    def title(self) -> str:
        """The versions with their aliases, or the run's name if there is no version."""
        names = [f"{one} ({', '.join(one.aliases)})" if one.aliases else str(one) for one in self.versions]
        if names:
            return ", ".join(names)
        return f"{self.run.name}, not registered" if self.run else self.fingerprint

    @property
    def commit(self) -> str | None:
        """The commit that the model was trained from, if its run recorded it."""
        return self.run.tags.get(COMMIT_TAG) if self.run else None


def known_models(client: "MlflowClient", store: Store) -> list[Model]:
    """Every model, in the order of training."""
    runs: dict[str, Run] = {}
    for run in runs_of_models(client, store):
        runs.setdefault(run.tags[FINGERPRINT_TAG], run)
    registered: dict[str, list[Version]] = {}
    for version in sorted(versions(client)):
        if FINGERPRINT_TAG in version.tags:
            registered.setdefault(version.tags[FINGERPRINT_TAG], []).append(version)
    return [
        _model(fingerprint, runs.get(fingerprint), registered.get(fingerprint, []))
        for fingerprint in {**runs, **registered}
    ]


def model_of(models: Sequence[Model], fingerprint: str) -> Model:
    """The model that has or had this fingerprint. It must be among `models`."""
    return next(model for model in models if fingerprint in model.fingerprints)


def _model(fingerprint: str, run: Run | None, versions: list[Version]) -> Model:
    # The run of a model from another machine does not record its data, but its version does.
    tags = {
        key: value
        for source in (*(version.tags for version in versions), run.tags if run else {})
        for key, value in source.items()
    }
    digest = tags.get(DATA_TAG, UNKNOWN_DATA)
    earlier = [version.tags[DATA_TAG] for version in versions if DATA_TAG in version.tags]
    digests = () if digest == UNKNOWN_DATA else (digest, *earlier, *(run.data_digests if run else ()))
    return Model(
        fingerprint,
        tuple(dict.fromkeys(digests)),
        tags.get("recipe", "unknown"),
        run,
        versions,
    )
