"""MLflow's model registry: read versions, aliases and files, send a saved model, and log promotions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dino_pipeline.tracking.store import (
    Store,
    all_pages,
    experiment_id,
    global_address,
    plain_errors,
    silence,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

# A digest of the registered contents: it finds an existing version.
REGISTRATION_TAG = "registration"
_AUDIT_EXPERIMENT = "promotions"
_AUDIT_RECORD, _AUDITED_MODEL = "entry", "registered_model"  # tags in users' stores


class Version(NamedTuple):
    """A version of a registered model."""

    name: str
    number: int
    run_id: str
    tags: dict[str, str]
    aliases: list[str]

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"


def registered_version(client: "MlflowClient", name: str, number: int) -> Version:
    """Read one version.

    Raises:
        ValueError: the version does not exist.
    """
    with plain_errors():
        return _version(client.get_model_version(name, str(number)))


def aliased_version(client: "MlflowClient", name: str, alias: str) -> Version | None:
    """The version with an alias; None where no version has the alias.

    Raises:
        ValueError: the registered model does not exist.
    """
    with plain_errors():
        number = client.get_registered_model(name).aliases.get(alias)
    return None if number is None else registered_version(client, name, int(number))


def versions(client: "MlflowClient") -> list[Version]:
    """List every version of every registered model, with its tags and aliases."""
    with plain_errors():
        aliases: dict[tuple[str, int], list[str]] = {}  # a search for versions leaves them out
        for model in all_pages(client.search_registered_models):
            for alias, number in model.aliases.items():
                aliases.setdefault((model.name, int(number)), []).append(alias)
        return [
            _version(one)._replace(aliases=aliases.get((one.name, int(one.version)), []))
            for one in all_pages(client.search_model_versions)
        ]


def move_alias(client: "MlflowClient", version: Version, alias: str) -> None:
    """Move the alias to this version."""
    with plain_errors():
        client.set_registered_model_alias(version.name, alias, str(version.number))


def download(client: "MlflowClient", version: Version, folder: Path) -> Path:
    """Download a registered model into `folder`. Returns the folder of backbone.pt2 and preprocessing.json.

    Raises:
        ValueError: the store no longer has the files.
    """
    from mlflow.artifacts import download_artifacts

    # MLflow resolves a version's source at the process's address, whatever address the client has.
    with plain_errors(), silence(), global_address(client.tracking_uri):
        model = download_artifacts(f"models:/{version}", dst_path=str(folder))
    return Path(model) / "artifacts"


def send_version(client: "MlflowClient", run_id: str, version: Mapping[str, Any], model: Path) -> None:
    """Register a saved model. Steps of an interrupted attempt are not repeated.

    Args:
        version: name, alias, tags and description.
        model: the folder that MLflow saved.
    """
    name, registration = version["name"], version["tags"][REGISTRATION_TAG]
    with global_address(client.tracking_uri), silence():
        found = find_registered(client, name, registration)
        if found is None:
            model_id = _logged_model(client, run_id, registration, model)
            found = _create(client, name, model_id, version["tags"])
    describe(client, version, found)


def describe(client: "MlflowClient", version: Mapping[str, Any], found: "ModelVersion") -> None:
    """Set a version's description and move the alias to it."""
    client.update_model_version(version["name"], found.version, description=version["description"])
    client.set_registered_model_alias(version["name"], version["alias"], found.version)


def find_registered(client: "MlflowClient", name: str, registration: str) -> "ModelVersion | None":
    """The version with this registration digest; None where there is none."""
    # Both contain letters, digits and hyphens only, so they are safe inside the filter's quotes.
    found = client.search_model_versions(f"name = '{name}' and tags.{REGISTRATION_TAG} = '{registration}'")
    return found[0] if found else None


def _logged_model(client: "MlflowClient", run_id: str, registration: str, model: Path) -> str:
    """The id of the logged model that holds the files. A missing one is created."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    run = client.get_run(run_id)
    experiment = run.info.experiment_id
    found = client.search_logged_models(
        [experiment], filter_string=f"tags.{REGISTRATION_TAG} = '{registration}'"
    )
    logged = (
        found[0]
        if found
        else client.create_logged_model(
            experiment, name="model", source_run_id=run_id, tags={REGISTRATION_TAG: registration}
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


def append_audit_record(
    client: "MlflowClient",
    store: Store,
    name: str,
    record: dict[str, Any],
    *,
    title: str,
    metrics: dict[str, float],
) -> None:
    """Add a record to a registered model's log of promotions: one run, created whole and never changed.

    name: the registered model.
        name: the registered model.
        record: JSON-ready values.
        title: name of the run in MLflow's table.
        metrics: columns of that table; the record holds them, too.
    """
    from mlflow.entities import Metric

    with plain_errors():
        # One transaction creates a run with its tags, so no record is ever incomplete.
        tags = {_AUDITED_MODEL: name, _AUDIT_RECORD: json.dumps(record)}
        run = client.create_run(experiment_id(client, store, _AUDIT_EXPERIMENT), run_name=title, tags=tags)
        started = run.info.start_time
        client.log_batch(
            run.info.run_id, metrics=[Metric(key, value, started, 0) for key, value in metrics.items()]
        )
        client.set_terminated(run.info.run_id)


def read_audit_records(client: "MlflowClient", store: Store, name: str) -> list[dict[str, Any]]:
    """A registered model's log of promotions, the oldest record first."""
    with plain_errors():
        runs = all_pages(
            client.search_runs,
            [experiment_id(client, store, _AUDIT_EXPERIMENT)],
            f"tags.{_AUDITED_MODEL} = '{name}'",
            order_by=["attributes.start_time"],
        )
        return [json.loads(run.data.tags[_AUDIT_RECORD]) for run in runs]


def _version(found: Any) -> Version:
    return Version(found.name, int(found.version), found.run_id, dict(found.tags), list(found.aliases))
