"""The search space: checked against the recipe before trial 0, conditional, tied, and never without the recipe."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.search_space import SearchSpace
from dino_pipeline.recipes.reading import recipe_names, recipe_parameters

CONF = Path(__file__).parents[3] / "conf"
RATE = "pretrain.schedules.learning_rate.start"


def space(demo: dict[str, Any], **changes: Any) -> SearchSpace:
    asked = demo["tune"] | {"space": {}, "same": {}} | changes
    return SearchSpace(from_dict(TuneConfig, asked), demo)


def drawn(asked: SearchSpace, count: int) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [asked.suggest(study.ask()) for _ in range(count)]


@pytest.mark.parametrize("recipe", recipe_names(CONF))
def test_the_space_of_conf_can_be_laid_over_any_recipe(recipe: str) -> None:
    parameters = recipe_parameters(recipe)
    asked = SearchSpace(from_dict(TuneConfig, parameters["tune"]), parameters)
    own = parameters["pretrain"]["schedules"]["learning_rate"]["start"]
    assert asked.current()[RATE] == own


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {}}, r"tune\.space is empty"),
        (
            {
                "space": {
                    "pretrain.schedules.learning_rat.start": {"distribution": "uniform", "low": 0, "high": 1}
                }
            },
            r"no pretrain\.schedules\.learning_rat\.start; did you mean pretrain\.schedules\.learning_rate\.start",
        ),
        ({"budget": {"pretrain.epoch": 1}}, r"tune\.budget: .*did you mean pretrain\.epochs"),
        (
            {"space": {RATE: {"distribution": "uniform", "low": 0.5, "high": 1.0}}},
            r"learning_rate\.start is 0\.004, outside the space",
        ),
        (
            {"space": {"pretrain.batch_size": {"distribution": "categorical", "values": [32, 0]}}},
            r"pretrain\.batch_size cannot be 0: .*greater than or equal to 1",
        ),
        (
            {"space": {"launch.cpu_processes": {"distribution": "integers", "low": 1, "high": 4, "step": 1}}},
            r"only pretrain\.\* can",
        ),
        (
            {
                "space": {RATE: {"distribution": "log_uniform", "low": 1e-3, "high": 1e-2}},
                "same": {"pretrain.schedules.learning_rate.end": RATE},
            },
            r"learning_rate\.end is 1e-05 and .*learning_rate\.start is 0\.004",
        ),
        (
            {
                "space": {
                    "pretrain.batch_size": {"distribution": "categorical", "values": [32]},
                    "pretrain.epochs": {"distribution": "categorical", "values": [24]},
                },
                "when": {
                    "pretrain.batch_size": {"pretrain.epochs": [24]},
                    "pretrain.epochs": {"pretrain.batch_size": [32]},
                },
            },
            "depend on one another",
        ),
    ],
)
def test_what_does_not_suit_the_recipe_is_refused(
    demo: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        space(demo, **{"space": {RATE: {"distribution": "log_uniform", "low": 1e-3, "high": 1e-2}}} | changes)


def test_a_name_is_tried_only_where_its_condition_holds(demo: dict[str, Any]) -> None:
    asked = space(
        demo,
        space={
            # named before what it waits for
            "pretrain.optimizer.momentum": {"distribution": "uniform", "low": 0.5, "high": 0.99},
            "pretrain.optimizer.name": {"distribution": "categorical", "values": ["adamw", "sgd", "lars"]},
        },
        when={"pretrain.optimizer.momentum": {"pretrain.optimizer.name": ["sgd", "lars"]}},
    )
    assert asked.current() == {"pretrain.optimizer.name": "adamw"}
    trials = drawn(asked, 30)
    assert {values["pretrain.optimizer.name"] for values in trials} == {"adamw", "sgd", "lars"}
    for values in trials:
        assert ("pretrain.optimizer.momentum" in values) == (values["pretrain.optimizer.name"] != "adamw")


def test_values_stay_inside_their_distributions_and_lists_stay_lists(demo: dict[str, Any]) -> None:
    scale = "pretrain.multi_crop.global_crop_scale"
    asked = space(
        demo,
        space={
            RATE: {"distribution": "log_uniform", "low": 1e-3, "high": 1e-2},
            "pretrain.epochs": {"distribution": "integers", "low": 8, "high": 24, "step": 8},
            scale: {"distribution": "categorical", "values": [[0.4, 1.0], [0.25, 1.0]]},
        },
    )
    assert asked.current() == {RATE: 0.004, "pretrain.epochs": 24, scale: "[0.4, 1.0]"}
    trials = drawn(asked, 40)
    assert all(1e-3 <= values[RATE] <= 1e-2 for values in trials)
    assert {values["pretrain.epochs"] for values in trials} == {8, 16, 24}
    assert {tuple(values[scale]) for values in trials} == {(0.4, 1.0), (0.25, 1.0)}
    laid = asked.trial_parameters(trials[0])
    assert laid["pretrain"]["epochs"] == trials[0]["pretrain.epochs"]
    assert laid["pretrain"]["batch_size"] == demo["pretrain"]["batch_size"]


def test_tied_names_take_the_searched_value_and_the_budget_lies_below(demo: dict[str, Any]) -> None:
    start, end = (f"pretrain.schedules.teacher_temperature.{name}" for name in ("start", "end"))
    asked = space(
        demo,
        space={start: {"distribution": "uniform", "low": 0.02, "high": 0.06}},
        same={end: start},
        budget={"pretrain.epochs": 2, "monitoring.max_images": 50},
    )
    (values,) = drawn(asked, 1)
    assert values[start] == values[end] != 0.04
    laid = asked.trial_parameters(values)
    assert laid["pretrain"]["schedules"]["teacher_temperature"]["end"] == values[end]
    assert (laid["pretrain"]["epochs"], laid["monitoring"]["max_images"]) == (2, 50)


def test_a_recipe_takes_back_what_base_searches(demo: dict[str, Any]) -> None:
    asked = space(
        demo, space={RATE: None, "pretrain.epochs": {"distribution": "categorical", "values": [24, 12]}}
    )
    assert list(asked.current()) == ["pretrain.epochs"]
