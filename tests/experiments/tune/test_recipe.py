"""The recipe that a study writes: the tuned one, with what was found above it, and nothing of the budget."""

import shutil
from pathlib import Path

import pytest
import yaml

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.experiments.tune.recipe import check_target, write_tuned
from dino_pipeline.recipes.reading import watched_groups
from dino_pipeline.workspace.config_loader import shared_parameters

CONF = Path(__file__).parents[3] / "conf"
FOUND = {
    "pretrain.schedules.learning_rate.start": 0.00123,
    "pretrain.multi_crop.global_crop_scale": [0.25, 1.0],
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    for recipe in ("base", "fashion_mnist"):
        shutil.copytree(CONF / recipe, tmp_path / "conf" / recipe)
    return tmp_path / "conf"


def write(conf: Path, recipe: str, **given: object) -> dict[str, object]:
    pretrain = from_dict(PretrainConfig, shared_parameters(conf, recipe)["pretrain"] | given)
    write_tuned(conf / "tuned", FOUND, heading="Study x, trial 7.", recipe=recipe, pretrain=to_dict(pretrain))
    return shared_parameters(conf, "tuned")


@pytest.mark.parametrize("recipe", ["base", "fashion_mnist"])
def test_it_is_the_recipe_in_force_but_for_what_was_found(conf: Path, recipe: str) -> None:
    tuned = write(conf, recipe, batch_size=16)
    expected = shared_parameters(conf, recipe)
    expected["recipe"] = "tuned"
    expected["pretrain"]["batch_size"] = 16
    expected["pretrain"]["schedules"]["learning_rate"]["start"] = 0.00123
    expected["pretrain"]["multi_crop"]["global_crop_scale"] = [0.25, 1.0]
    assert tuned == expected
    (file,) = (conf / "tuned").iterdir()
    text = file.read_text()
    assert watched_groups() == [group for group in watched_groups() if group in yaml.safe_load(text)]
    assert "# Searched; was 0.004.\n      start: 0.00123" in text


def test_a_study_replaces_its_own_recipe_and_nobody_elses(conf: Path) -> None:
    write(conf, "base")
    check_target(conf / "tuned")
    write(conf, "fashion_mnist")
    assert shared_parameters(conf, "tuned")["ingest"]["source"] == "torchvision:FashionMNIST"
    assert sorted(path.name for path in conf.iterdir()) == ["base", "fashion_mnist", "tuned"]
    check_target(conf / "not there yet")
    with pytest.raises(
        ValueError, match=r"fashion_mnist is a recipe that was not written by a study: .*tune\.tuned_recipe"
    ):
        check_target(conf / "fashion_mnist")
