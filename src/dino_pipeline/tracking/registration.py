"""A model of a run becomes a version in MLflow's registry, now or when the store answers again."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dino_pipeline.tracking.store import global_address, silence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from dino_pipeline.tracking.records import Target
    from dino_pipeline.tracking.run import ModelRun

_MAX_DESCRIPTION_LENGTH = 5000
_CUT = "\n... the whole text is among the run's artifacts"
_REGISTRATION_TAG = (
    "registration"  # a digest of what is registered, by which a version that is there is known
)


class Registered(NamedTuple):
    """A version of a registered model."""

    number: int
    is_new: bool


def register_version(
    run: "ModelRun",
    *,
    registered_name: str,
    alias: str,
    tags: Mapping[str, str],
    description: str,
    contents: Mapping[str, Any],
    write: Callable[[Path], Mapping[str, Any]],
    earlier_tags: Sequence[Mapping[str, str]] = (),
) -> Registered | None:
    """Make a pyfunc model a version of a run's model, which bears the alias; what is a version already stays that.

    Args:
        run: of the model.
        registered_name: the registered model whose version it is.
        alias: moved to the version.
        tags: of the version.
        description: of the version, Markdown; cut where MLflow takes no more.
        contents: JSON-ready values that with the tags decide the model's files: the same are the same version.
        write: called where there is no such version: writes its files into a folder that is gone afterwards, and
            returns what `mlflow.pyfunc.save_model` takes.
        earlier_tags: as older versions of this code gave them to the same model, whose version then is this.

    Returns:
        the version; None where the store does not answer, and the version is kept for it.
    """
    registration, *earlier = (
        _digest({"tags": dict(one), "contents": dict(contents)}) for one in (tags, *earlier_tags)
    )
    version = {
        "name": registered_name,
        "alias": alias,
        "tags": {**tags, _REGISTRATION_TAG: registration},
        "description": fitting(description),
    }
    numbers: list[int] = []

    def look(target: "Target") -> None:
        with silence():
            each = (_registered(target.client, registered_name, one) for one in (registration, *earlier))
            found = next(filter(None, each), None)
        if found is not None:
            _name(target.client, version, found)
            numbers.append(int(found.version))

    run.ask(look)
    if numbers:
        return Registered(numbers[0], is_new=False)
    import mlflow.pyfunc  # takes seconds, and most runs find the version

    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model"
        model = write(Path(folder))
        with silence():
            mlflow.pyfunc.save_model(str(saved), **model)
        if not run.log_version(version, saved):
            return None
    run.ask(look)
    return Registered(numbers[0], is_new=True) if numbers else None


def _digest(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:32]


def send_version(client: "MlflowClient", run_id: str, version: Mapping[str, Any], model: Path) -> None:
    """Register a saved model; what a broken attempt has done of it before is not done again.

    Args:
        version: name, alias, tags and description.
        model: the folder that MLflow saved.
    """
    name, registration = version["name"], version["tags"][_REGISTRATION_TAG]
    with global_address(client.tracking_uri), silence():
        found = _registered(client, name, registration)
        if found is None:
            model_id = _logged_model(client, run_id, registration, model)
            found = _create(client, name, model_id, version["tags"])
    _name(client, version, found)


def _name(client: "MlflowClient", version: Mapping[str, Any], found: "ModelVersion") -> None:
    """Give a version in the registry its description and the alias."""
    client.update_model_version(version["name"], found.version, description=version["description"])
    client.set_registered_model_alias(version["name"], version["alias"], found.version)


def _registered(client: "MlflowClient", name: str, registration: str) -> "ModelVersion | None":
    # A file of digits and letters only: safe within the filter's quotes.
    found = client.search_model_versions(f"name = '{name}' and tags.{_REGISTRATION_TAG} = '{registration}'")
    return found[0] if found else None


def _logged_model(client: "MlflowClient", run_id: str, registration: str, model: Path) -> str:
    """The id of the logged model that holds the files, made where there is none."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    found = client.search_logged_models(
        [experiment], filter_string=f"tags.{_REGISTRATION_TAG} = '{registration}'"
    )
    logged = (
        found[0]
        if found
        else client.create_logged_model(
            experiment, name="model", source_run_id=run_id, tags={_REGISTRATION_TAG: registration}
        )
    )
    outputs = run.outputs.model_outputs if run.outputs else []
    if logged.model_id not in {output.model_id for output in outputs}:
        client.log_outputs(run_id, models=[LoggedModelOutput(logged.model_id, step=0)])
    described = Model.load(str(model))
    described.run_id, described.model_id, described.model_uuid = run_id, logged.model_id, logged.model_id
    described.artifact_path = logged.artifact_location
    described.save(str(model / "MLmodel"))
    client.log_model_artifacts(logged.model_id, str(model))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id)


def _create(client: "MlflowClient", name: str, model_id: str, tags: Mapping[str, str]) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(name, source=f"models:/{model_id}", tags=dict(tags), model_id=model_id)


def fitting(description: str) -> str:
    """The description, cut after a line where MLflow takes no more."""
    if len(description) <= _MAX_DESCRIPTION_LENGTH:
        return description
    return description[: _MAX_DESCRIPTION_LENGTH - len(_CUT)].rpartition("\n")[0] + _CUT
