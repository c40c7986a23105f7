"""Parameters of a study: search space, objective, sampler, pruner and storage."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.workspace.names import RecipeName


@frozen
class Uniform:
    """Any number between `low` and `high`."""

    distribution: Literal["uniform"]
    low: float
    high: float


@frozen
class LogUniform:
    """Any number between `low` and `high`, uniform in its logarithm: for learning rates and temperatures."""

    distribution: Literal["log_uniform"]
    low: PositiveFloat
    high: float


@frozen
class Integers:
    """Every `step`-th whole number from `low` to `high`."""

    distribution: Literal["integers"]
    low: int
    high: int
    step: PositiveInt


@frozen
class Categorical:
    """One of these values, which may be lists or groups."""

    distribution: Literal["categorical"]
    values: Annotated[list[Any], Field(min_length=1)]


Distribution = Annotated[Uniform | LogUniform | Integers | Categorical, Field(discriminator="distribution")]


@frozen
class Tpe:
    """Tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), after some random trials."""

    name: Literal["tpe"]
    num_random_trials: PositiveInt


@frozen
class Random:
    """Independent draws."""

    name: Literal["random"]


@frozen
class NoPruner:
    """Trains every trial that does not collapse to its end."""

    name: Literal["none"]


@frozen
class Median:
    """Stops a trial whose best value so far is below the median of the others' at the same evaluation."""

    name: Literal["median"]
    num_startup_trials: NonNegativeInt  # trials that finish before any is stopped
    num_warmup_evaluations: NonNegativeInt  # evaluations of each trial before it may be stopped


@frozen
class Hyperband:
    """Successive halving with several trade-offs between many short and few long trials (arXiv:1603.06560)."""

    name: Literal["hyperband"]
    min_evaluations: PositiveInt  # evaluations of a trial before it may be stopped
    max_evaluations: PositiveInt  # evaluations of a whole trial
    reduction_factor: Annotated[int, Field(ge=2)]


@frozen
class TuneConfig:
    """A study. Names are dotted, such as pretrain.schedules.learning_rate.start."""

    study: str | None  # its name in the storage; None: the recipe's
    storage: str | None  # a database's address; None: a journal file below data/08_reporting/<recipe>
    num_trials: NonNegativeInt  # of the whole study; a continued study makes the missing ones
    objective: Literal["knn", "rankme", "alpha_req"]
    cost: Literal["seconds", "parameters"] | None  # a second objective, to be minimised
    budget: dict[str, Any]  # name: value, laid over the recipe for the trials only
    space: dict[str, Distribution | None]  # None removes a distribution of a lower layer of conf/
    when: dict[str, dict[str, list[Any]]]  # name: {other name: values of it for which the first is searched}
    same: dict[str, str]  # name: the searched name whose value it copies
    sampler: Annotated[Tpe | Random, Field(discriminator="name")]
    seed: NonNegativeInt  # of the sampler; gives the same trials only with a single worker
    pruner: Annotated[NoPruner | Median | Hyperband, Field(discriminator="name")]
    # eigenvalues between which alpha-ReQ is fitted, 1 the largest
    alpha_ranks: tuple[PositiveInt, PositiveInt]
    heartbeat_seconds: PositiveFloat  # between a worker's heartbeats
    silence_seconds: PositiveFloat  # after so long, a trial without heartbeat is requeued
    tuned_recipe: RecipeName | None  # the folder of conf/ for the result; None: <recipe>_tuned
    written_trial: NonNegativeInt | None  # None: the best
