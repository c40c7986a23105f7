"""A model of a run becomes a version in MLflow's registry."""

from collections.abc import Mapping
from typing import Any

from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.store import global_address, silence

_MAX_DESCRIPTION_LENGTH = 5000
_CUT = "\n... the whole text is among the run's artifacts"


def register_version(
    run: ModelRun,
    *,
    registered_name: str,
    alias: str,
    tags: Mapping[str, str],
    description: str,
    **model: Any,
) -> int:
    """Log a pyfunc model into a run and register it as a new version that bears the alias.

    Args:
        run: of the model.
        registered_name: the registered model that gets a new version.
        alias: moved to the new version.
        tags: of the version.
        description: of the version, Markdown; cut where MLflow takes no more.
        model: what `mlflow.pyfunc.save_model` takes.

    Returns:
        the version's number.

    Raises:
        ConnectionError: the store cannot be reached; registering is this call's whole purpose.
    """
    client = run.client
    if client is None:
        raise ConnectionError(
            "The model was not registered, for MLflow's store cannot be reached; see above."
        )
    import mlflow.models
    import mlflow.pyfunc

    # `mlflow.pyfunc.log_model` would need an active run, and set that run's status at its end.
    with global_address(client.tracking_uri), silence():
        # Left to itself MLflow keeps the model in the process's experiment, below the current folder.
        experiment = client.get_run(run.run_id).info.experiment_id
        logged = client.create_logged_model(experiment, name="model", source_run_id=run.run_id)
        info = mlflow.models.Model.log(
            artifact_path=None,
            name="model",
            model_id=logged.model_id,
            flavor=mlflow.pyfunc,
            run_id=run.run_id,
            registered_model_name=registered_name,
            **model,
        )
    version = int(info.registered_model_version)
    for key, value in tags.items():
        client.set_model_version_tag(registered_name, str(version), key, value)
    client.update_model_version(registered_name, str(version), description=fitting(description))
    client.set_registered_model_alias(registered_name, alias, str(version))
    return version


def fitting(description: str) -> str:
    """The description, cut after a line where MLflow takes no more."""
    if len(description) <= _MAX_DESCRIPTION_LENGTH:
        return description
    return description[: _MAX_DESCRIPTION_LENGTH - len(_CUT)].rpartition("\n")[0] + _CUT
