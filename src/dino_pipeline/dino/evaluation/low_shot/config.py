"""Configuration of low-shot classification. Imports no torch."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import KnnConfig, Share


@frozen
class LogisticRegressionConfig:
    """Multinomial logistic regression with an L2 penalty, by L-BFGS."""

    inverse_penalties: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]  # C, chosen on validation
    tolerance: PositiveFloat  # of the gradient, in coordinates where the curvature is at most about 1
    max_iterations: PositiveInt


@frozen
class LowShotConfig:
    """Draws of train labels, and the two classifiers that are trained on each draw."""

    fractions: Annotated[tuple[Share, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]  # one draw per seed
    logistic_regression: LogisticRegressionConfig
    knn: KnnConfig  # the number of neighbours is chosen on validation
    num_threads: PositiveInt | None  # as in extract
