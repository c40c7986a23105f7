"""The search space: the values that a trial may lay over the recipe, checked against the recipe."""

import difflib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.tune.config import Categorical, Distribution, Integers, LogUniform, TuneConfig
from dino_pipeline.workspace.overlays import overlaid

if TYPE_CHECKING:
    import optuna

_SEARCHED = "pretrain."
GROUPS = {"pretrain": PretrainConfig, "monitoring": MonitoringConfig, "launch": LaunchConfig}


class SearchSpace:
    """Distributions over a recipe's names, checked against the recipe."""

    def __init__(self, config: TuneConfig, recipe: Mapping[str, Any]) -> None:
        """Lay the budget over the recipe, and check every name and its range.

        Args:
            recipe: the groups pretrain, monitoring and launch as plain values.

        Raises:
            ValueError: the recipe lacks a name or refuses a value, or the recipe lies outside the space.
        """
        for name in config.budget:
            value_of(name, recipe, "tune.budget")
        self.recipe = overlaid(recipe, config.budget)
        self.distributions = {name: found for name, found in config.space.items() if found is not None}
        self.when = {name: config.when.get(name, {}) for name in self.distributions}
        self.same = {name: other for name, other in config.same.items() if other in self.distributions}
        if not self.distributions:
            raise ValueError("tune.space is empty: name at least one parameter and its distribution")
        self._check_names(config)
        self._order = self._conditions_first()
        self._check_values()

    def current(self) -> dict[str, Any]:
        """The values of trial 0: the recipe's own values, as the study stores them."""
        own = {name: value_of(name, self.recipe, "tune.space") for name in self._order}
        return {
            name: stored(own[name], self.distributions[name])
            for name in self._order
            if self._holds(name, own)
        }

    def suggest(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Suggest the values, by dotted name, that this trial lays over the recipe."""
        values: dict[str, Any] = {}
        for name in self._order:
            if self._holds(name, self._known(values)):
                values[name] = _suggest(trial, name, self.distributions[name])
        return self._complete(values)

    def trial_parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe with its budget, overridden by a trial's values."""
        return overlaid(self.recipe, values)

    def _complete(self, values: dict[str, Any]) -> dict[str, Any]:
        tied = {name: values[other] for name, other in self.same.items() if other in values}
        return values | tied

    def _known(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All known values. A condition may also name a value that is not searched, or that this trial left out."""
        asked = {other for condition in self.when.values() for other in condition}
        return {name: values.get(name, value_of(name, self.recipe, "tune.when")) for name in asked}

    def _holds(self, name: str, values: Mapping[str, Any]) -> bool:
        known = {**self._known(values), **values}
        return all(known[other] in allowed for other, allowed in self.when[name].items())

    def _check_names(self, config: TuneConfig) -> None:
        for name in (*self.distributions, *self.same):
            value_of(name, self.recipe, "tune.space" if name in self.distributions else "tune.same")
            if not name.startswith(_SEARCHED):
                raise ValueError(f"tune.space: {name} cannot be searched; only pretrain.* can")
        for name, condition in config.when.items():
            if name not in config.space:
                raise ValueError(f"tune.when: {name} is not in tune.space")
            for other in condition:
                value_of(other, self.recipe, "tune.when")
        for name, other in config.same.items():
            if other not in config.space:
                raise ValueError(f"tune.same: {name} follows {other}, which is not in tune.space")
            if name in self.distributions:
                raise ValueError(f"tune.same: {name} is in tune.space as well")

    def _conditions_first(self) -> list[str]:
        order: list[str] = []
        waiting = dict(self.when)
        while waiting:
            free = [name for name, condition in waiting.items() if not waiting.keys() & condition.keys()]
            if not free:
                raise ValueError(
                    f"tune.when: {', '.join(waiting)} depend on one another: remove one of these conditions"
                )
            order += free
            waiting = {name: condition for name, condition in waiting.items() if name not in free}
        return order

    def _check_values(self) -> None:
        for name, distribution in self.distributions.items():
            if not isinstance(distribution, Categorical) and distribution.low > distribution.high:
                raise ValueError(
                    f"tune.space: {name} has low {distribution.low} and high {distribution.high}: low must be smaller"
                )
            own = value_of(name, self.recipe, "tune.space")
            if not _contains(distribution, own):
                raise ValueError(
                    f"tune.space: the recipe's {name} is {own}, outside the space, but trial 0 is the recipe: "
                    "widen the space, or set it to null"
                )
            for value in _extremes(distribution):
                self._check_value(name, value)
        for name, other in self.same.items():
            own, others = (value_of(n, self.recipe, "tune.same") for n in (name, other))
            if own != others:
                raise ValueError(
                    f"tune.same: in the recipe {name} is {own} and {other} is {others}, but trial 0 is the "
                    "recipe: make them equal there"
                )

    def _check_value(self, name: str, value: Any) -> None:
        group = name.split(".", 1)[0]
        parameters = self.trial_parameters({name: value})
        try:
            from_dict(GROUPS[group], parameters[group])
        except ValueError as error:
            # pydantic's report has one line for the place and one for the problem
            raise ValueError(
                f"tune.space: {name} cannot be {value}: {str(error).splitlines()[-2].strip()}"
            ) from error


def value_of(name: str, parameters: Mapping[str, Any], where: str) -> Any:
    """The value in force of a dotted name.

    Raises:
        ValueError: the name does not exist; the text suggests the nearest one.
    """
    place: Any = parameters
    for part in name.split("."):
        if not isinstance(place, Mapping) or part not in place:
            near = difflib.get_close_matches(name, _names(parameters), n=1, cutoff=0.0)
            raise ValueError(f"{where}: the recipe has no {name}; did you mean {near[0]}?")
        place = place[part]
    return place


def _names(parameters: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in parameters.items():
        names.append(prefix + key)
        if isinstance(value, Mapping):
            names += _names(value, f"{prefix}{key}.")
    return names


def _suggest(trial: "optuna.Trial", name: str, distribution: Distribution) -> Any:
    if isinstance(distribution, Categorical):
        labels = [stored(value, distribution) for value in distribution.values]
        return _meant(trial.suggest_categorical(name, labels), distribution)
    if isinstance(distribution, Integers):
        return trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
    return trial.suggest_float(
        name, distribution.low, distribution.high, log=isinstance(distribution, LogUniform)
    )


def stored(value: Any, distribution: Distribution) -> Any:
    """The value as the study stores it: lists and groups as JSON, since Optuna's choices are plain values."""
    if isinstance(distribution, Categorical) and isinstance(value, list | tuple | dict):
        return json.dumps(value)
    return value


def _meant(value: Any, distribution: Distribution) -> Any:
    if isinstance(distribution, Categorical):
        return next(own for own in distribution.values if stored(own, distribution) == value)
    return value


def _contains(distribution: Distribution, value: Any) -> bool:
    if isinstance(distribution, Categorical):
        return value in distribution.values
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    inside = distribution.low <= value <= distribution.high
    return inside and (
        not isinstance(distribution, Integers) or (value - distribution.low) % distribution.step == 0
    )


def _extremes(distribution: Distribution) -> list[Any]:
    return (
        distribution.values
        if isinstance(distribution, Categorical)
        else [distribution.low, distribution.high]
    )
