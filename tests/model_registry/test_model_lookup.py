"""A model is found by whatever a person calls it."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from mlflow import MlflowClient

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.weights.older_files import completed
from dino_pipeline.model_registry.model_lookup import find_weights, with_paths_of_weights
from tests.published import CONF, FINGERPRINT, TINY_VIT, publish


def test_a_folder_a_file_and_a_recipe_are_found(published_model: Path) -> None:
    project = published_model.parents[2]
    for name in (str(published_model), "tiny", str(published_model / "teacher.safetensors")):
        assert find_weights(name, project) == (published_model, "teacher")
    assert find_weights(str(published_model / "student.safetensors"), project) == (published_model, "student")


def test_the_start_of_a_fingerprint_and_a_runs_name_are_enough(published_model: Path) -> None:
    project = published_model.parents[2]
    for name in ("ffffff", f"tiny-{FINGERPRINT[:6]}"):
        assert find_weights(name, project).folder == published_model
    other = publish(published_model.with_name("other"), TINY_VIT)
    text = (other / "model.json").read_text().replace(FINGERPRINT, "f" * 63 + "0")
    (other / "model.json").write_text(text)
    with pytest.raises(ValueError, match=r"ffffff is the start of several fingerprints.*give more digits"):
        find_weights("ffffff", project)
    shutil.rmtree(other)


def test_a_project_or_an_untrained_recipe_is_no_model_and_says_what_is(
    published_model: Path, tmp_path: Path
) -> None:
    project = published_model.parents[2]
    with pytest.raises(ValueError, match=rf"is a project, not a model: .*{published_model}"):
        find_weights(str(project), tmp_path)
    (tmp_path / "conf" / "mine").mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"recipe mine has no model yet: .*kedro run --env=mine --pipeline=pretrain"
    ):
        find_weights("mine", tmp_path)


def test_initial_weights_take_every_name_of_a_model(published_model: Path, tmp_path: Path) -> None:
    project = published_model.parents[2]
    values = yaml.safe_load((CONF / "base" / "parameters_pretrain.yml").read_text())["pretrain"]
    torch.save({}, tmp_path / "file.pth")
    for name, expected in {
        "tiny": str(published_model),
        "ffffffff": str(published_model),
        "timm:resnet18": "timm:resnet18",
        str(tmp_path / "file.pth"): str(tmp_path / "file.pth"),
    }.items():
        config = from_dict(
            PretrainConfig, completed({"pretrain": values | {"initial_weights": name}})["pretrain"]
        )
        assert with_paths_of_weights(config, project).initial_weights == expected
    config = from_dict(
        PretrainConfig, completed({"pretrain": values | {"initial_weights": "tinny"}})["pretrain"]
    )
    with pytest.raises(ValueError, match=r"pretrain\.initial_weights is tinny: there is no model 'tinny'"):
        with_paths_of_weights(config, project)


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
