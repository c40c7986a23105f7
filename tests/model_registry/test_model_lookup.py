"""A model is found by whatever a person calls it."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from dino_pipeline.model_registry.model_lookup import find_weights
from tests.published import FINGERPRINT


def test_a_folder_a_file_and_a_recipe_are_found(published_model: Path) -> None:
    project = published_model.parents[2]
    for name in (str(published_model), "tiny", str(published_model / "teacher.safetensors")):
        assert find_weights(name, project) == (published_model, "teacher")
    assert find_weights(str(published_model / "student.safetensors"), project) == (published_model, "student")


def test_an_unknown_name_is_told_what_there_is(published_model: Path) -> None:
    with pytest.raises(ValueError, match=r"no model 'tinny'.*a trained recipe \(tiny\)"):
        find_weights("tinny", published_model.parents[2])


def test_a_run_and_a_registered_version_lead_to_the_weights(
    published_model: Path, project: Path, client: MlflowClient
) -> None:
    published_model.parents[2].joinpath("data").rename(project / "data")
    moved = project / "data" / "06_models" / "tiny"
    experiment = client.create_experiment("e", artifact_location=(project / "artifacts").as_uri())
    run = client.create_run(experiment, tags={"fingerprint": FINGERPRINT}).info.run_id
    client.create_registered_model("dino-tiny")
    client.create_model_version(
        "dino-tiny", source=(project / "m").as_uri(), tags={"fingerprint": FINGERPRINT}
    )
    client.set_registered_model_alias("dino-tiny", "challenger", "1")
    for name in (
        run,
        "models:/dino-tiny@challenger",
        "dino-tiny@challenger",
        "models:/dino-tiny/1",
        "dino-tiny/1",
    ):
        assert find_weights(name, project) == (moved, "teacher")
    with pytest.raises(ValueError, match="no such model"):
        find_weights("dino-tiny@champion", project)
    moved.rename(project / "elsewhere")
    with pytest.raises(ValueError, match="not on this machine"):
        find_weights(run, project)
