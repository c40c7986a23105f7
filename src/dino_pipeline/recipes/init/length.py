"""Choose how long to train and to probe, so that a whole `kedro run` takes the hours that were asked for."""

from dataclasses import dataclass, replace

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.recipes.cost import training_cost
from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.prediction import FIXED_SECONDS, ImageCounts, StageCost, predict_run
from dino_pipeline.recipes.speed import RunConfig, Speed

_PROBE_SHARE = 0.25  # of the hours; a longer probe becomes shorter
_EVALUATIONS = 10  # during a training


@dataclass(frozen=True, kw_only=True)
class Length:
    """Epochs, and the hours that they are predicted to take.

    Attributes:
        hours: for the whole run, as asked for.
        training_hours: what the other stages leave of them, for steps and online evaluations.
        other_hours: of the other stages, and of starting the training.
        probe_epochs: of the linear probe, where those of conf/base take too long; else None.
        predicted_hours: of the whole run.
    """

    hours: float
    epochs: int
    training_hours: float
    other_hours: float
    probe_epochs: int | None
    predicted_hours: float


def fitted_length(config: RunConfig, images: ImageCounts, speed: Speed, *, hours: float) -> Length:
    """Choose the most epochs that the hours allow, up to those that are right for the images; at least one."""
    cost = training_cost(config.pretrain)

    def predicted(epochs: int, probe_epochs: int) -> list[StageCost]:
        pretrain: PretrainConfig = replace(config.pretrain, epochs=epochs, max_hours=None)
        monitoring = replace(config.monitoring, evaluate_every_epochs=evaluate_every(epochs))
        probe = replace(config.probe, epochs=probe_epochs)
        asked = config._replace(pretrain=pretrain, monitoring=monitoring, probe=probe)
        return predict_run(asked, images, speed, cost)

    def total(epochs: int, probe_epochs: int) -> float:
        return sum(stage.hours for stage in predicted(epochs, probe_epochs))

    most = config.probe.epochs
    an_epoch = (total(1, most + 1) - total(1, most)) * 3600
    fitting = int(_PROBE_SHARE * hours * 3600 / an_epoch) if an_epoch else most
    probe_epochs = max(1, min(most, fitting))
    shortest, longest = 1, rules.most_epochs(images.num_train)
    while shortest < longest:  # the largest number that fits, by bisection
        middle = (shortest + longest + 1) // 2
        shortest, longest = (
            (middle, longest) if total(middle, probe_epochs) <= hours else (shortest, middle - 1)
        )
    stages = predicted(shortest, probe_epochs)
    training = (
        next(stage.hours for stage in stages if stage.stage == "pretrain") - FIXED_SECONDS["pretrain"] / 3600
    )
    other = sum(stage.hours for stage in stages) - training
    return Length(
        hours=hours,
        epochs=shortest,
        # At the least what one epoch is predicted to take: a budget of nothing trains nothing.
        training_hours=max(hours - other, training),
        other_hours=other,
        probe_epochs=probe_epochs if probe_epochs < most else None,
        predicted_hours=training + other,
    )


def evaluate_every(epochs: int) -> int:
    """Epochs between two online evaluations."""
    return max(1, epochs // _EVALUATIONS)
