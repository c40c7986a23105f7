"""The hours of `init` are those of the whole run."""

from dataclasses import replace

import pytest

from dino_pipeline.recipes.cost import training_cost
from dino_pipeline.recipes.init.length import evaluate_every, fitted_length
from dino_pipeline.recipes.prediction import ImageCounts, predict_run
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.recipes.speed import RunConfig, Speed

COUNTS = ImageCounts(num_train=10_000, num_held_out=2_000, num_classes=10)
SPEED = Speed(
    decode=0.001,
    views=0.002,
    step=0.01,
    features=0.004,
    probe=0.004,
    knn_pair=0,
    knn_product=1e-10,
    dimensions={"teacher": (10, 20)},
)


@pytest.fixture
def config() -> RunConfig:
    return RunConfig.of(recipe_parameters("base"))


def hours_of_all(config: RunConfig, *, epochs: int, probe_epochs: int) -> float:
    asked = config._replace(
        pretrain=replace(config.pretrain, epochs=epochs, max_hours=None),
        probe=replace(config.probe, epochs=probe_epochs),
        monitoring=replace(config.monitoring, evaluate_every_epochs=evaluate_every(epochs)),
    )
    return sum(one.hours for one in predict_run(asked, COUNTS, SPEED, training_cost(config.pretrain)))


def test_the_most_epochs_are_chosen_with_which_the_whole_run_fits(config: RunConfig) -> None:
    length = fitted_length(config, COUNTS, SPEED, hours=3.0)
    assert length.probe_epochs is None, "12 epochs take 12 minutes, less than a quarter"
    assert hours_of_all(config, epochs=length.epochs, probe_epochs=12) == pytest.approx(
        length.predicted_hours
    )
    assert length.predicted_hours <= 3.0 < hours_of_all(config, epochs=length.epochs + 1, probe_epochs=12)
    assert length.training_hours + length.other_hours == pytest.approx(3.0)


def test_a_probe_that_takes_too_long_is_shortened(config: RunConfig) -> None:
    length = fitted_length(config, COUNTS, SPEED, hours=0.21)
    assert length.probe_epochs == 3  # an epoch takes 60 s, and a quarter of the hours is 189 s
    assert length.predicted_hours <= 0.21
    assert length.epochs > 1


def test_too_few_hours_train_one_epoch_and_are_not_claimed_to_suffice(config: RunConfig) -> None:
    length = fitted_length(config, COUNTS, SPEED, hours=0.01)
    assert (length.epochs, length.probe_epochs) == (1, 1)
    assert length.predicted_hours > 0.01
    assert length.training_hours > 0


def test_images_without_labels_are_not_probed(config: RunConfig) -> None:
    unlabelled = COUNTS._replace(num_classes=0)
    assert fitted_length(config, unlabelled, SPEED, hours=0.01).probe_epochs is None


def test_more_hours_than_the_images_need_are_not_used(config: RunConfig) -> None:
    assert fitted_length(config, COUNTS, SPEED, hours=10_000).epochs == 2000
