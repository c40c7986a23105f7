"""Every recipe is valid and steps; those of ImageNet hold what was published."""

from pathlib import Path

import pytest

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import EvaluateConfig, ExtractConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.recipes.check import check
from dino_pipeline.recipes.reading import recipe_names, recipe_parameters

CONF = Path(__file__).parents[2] / "conf"
RECIPES = recipe_names(CONF)


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_is_named_valid_and_says_what_it_claims(recipe: str) -> None:
    parameters = recipe_parameters(recipe)
    assert parameters["recipe"] == recipe
    for group, config in (
        ("ingest", IngestConfig),
        ("pretrain", PretrainConfig),
        ("monitoring", MonitoringConfig),
        ("launch", LaunchConfig),
        ("extract", ExtractConfig),
        ("evaluate", EvaluateConfig),
    ):
        from_dict(config, parameters[group])
    assert (CONF / recipe / "parameters.yml").read_text().startswith("#")
    assert f"`{recipe}`" in (CONF.parent / "docs" / "recipes.md").read_text()


@pytest.mark.parametrize(
    ("recipe", "epochs", "batch", "learning_rate", "warmup_epochs"),
    [
        ("imagenet_vit_small", 800, 1024, 2.0e-3, 30),
        ("imagenet_vit_small_patch8", 800, 1024, 2.0e-3, 30),
        ("imagenet_vit_base", 400, 1024, 3.0e-3, 50),
        ("imagenet_vit_base_patch8", 300, 1056, 2.0625e-3, 50),
        ("imagenet_resnet50", 800, 4080, 4.78125, 50),
        ("imagenet_xcit_small", 300, 1024, 2.0e-3, 30),
    ],
)
def test_published_settings_are_the_published(
    recipe: str, epochs: int, batch: int, learning_rate: float, warmup_epochs: int
) -> None:
    config = from_dict(PretrainConfig, recipe_parameters(recipe)["pretrain"])
    schedules = config.schedules
    assert (config.epochs, config.batch_size) == (epochs, batch)
    assert schedules.learning_rate.start * batch / 256 == pytest.approx(learning_rate)
    assert schedules.learning_rate.warmup_fraction * epochs == pytest.approx(10, rel=0.01)
    assert schedules.teacher_temperature.warmup_fraction * epochs == pytest.approx(warmup_epochs, rel=0.01)
    assert schedules.teacher_temperature.start == 0.07
    assert config.optimizer.freeze_last_layer_fraction * epochs == pytest.approx(
        3 if "base" in recipe else 1, rel=0.01
    )


def test_the_published_duration_is_predicted() -> None:
    row = check("imagenet_vit_small_vanilla")
    assert row.v100_hours == pytest.approx(8 * 1.75 * 24, rel=0.1)
    assert row.losses[0] == pytest.approx(4.16, abs=0.1), "ln 64, before anything is learned"


def test_the_table_has_a_row_for_each_recipe_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-recipes", "smoke", "imagenette"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["recipe", "smoke", "imagenette"]
    assert main(["check-recipes", "imagenet"]) == 1
    assert "no recipe 'imagenet'" in capsys.readouterr().err


@pytest.mark.full
@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_steps(recipe: str) -> None:
    assert all(loss > 0 for loss in check(recipe).losses)
