"""How long, and what rises and falls meanwhile."""

from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.hardware import Hardware
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.writing import Choice


def schedule(
    data: Measurement, hardware: Hardware, *, batch: int, images_per_second: float, hours: float
) -> list[Choice]:
    """How long, and what rises and falls meanwhile."""
    n = data.num_images
    most, affordable = rules.most_epochs(n), int(hours * 3600 * images_per_second / n)
    epochs = max(1, min(most, affordable))
    num_steps = epochs * max(1, n // batch)
    rate = {"start": 5e-4, "end": 1e-6} if hardware.num_gpus else {"start": 2e-3, "end": 1e-5}
    momentum, temperature = rules.teacher_momentum(n), rules.teacher_temperature(n)
    return [
        Choice(
            "pretrain.epochs",
            epochs,
            f"{most:,} would be right for {n:,} images (20 million seen, 100 to 2,000 epochs); about "
            f"{images_per_second:,.0f} images a second, measured here, make {affordable:,} in {hours:g} h.",
        ),
        Choice(
            "pretrain.max_hours",
            hours,
            "Ends in time, schedules and all, where the machine is slower than measured.",
        ),
        Choice(
            "pretrain.schedules.learning_rate",
            {"warmup_from": 0.0, **rate, "warmup_fraction": _fraction(rules.LEARNING_RATE_WARMUP, num_steps)},
            "For a batch of 256. "
            + (
                "The paper's. "
                if hardware.num_gpus
                else "Four times the paper's, as in the demo and on CIFAR-10: the run is short. "
            )
            + "12,500 steps of warm-up, at most a tenth of the run (lightly-train).",
        ),
        Choice(
            "pretrain.schedules.teacher_momentum",
            {"warmup_from": momentum, "start": momentum, "end": 1.0, "warmup_fraction": 0.0},
            "Starts at 0.99 (20,000 images) to 0.996 (ImageNet): in few steps a slow teacher would hardly move.",
        ),
        Choice(
            "pretrain.schedules.teacher_temperature",
            {
                "warmup_from": rules.first_teacher_temperature(n),
                "start": temperature,
                "end": temperature,
                "warmup_fraction": _fraction(rules.TEACHER_TEMPERATURE_WARMUP, num_steps),
            },
            "0.02 (20,000 images) to 0.07 (ImageNet): colder on little data, against uniform collapse. Warm-up of "
            "37,500 steps, at most 0.3 of the run (lightly-train).",
        ),
        Choice(
            "pretrain.optimizer.freeze_last_layer_fraction",
            _fraction(rules.FROZEN_LAST_LAYER, num_steps),
            "The prototypes stand still for the first 1,250 steps, at most a tenth of the run (lightly-train).",
        ),
        Choice("monitoring.log_every_steps", min(50, max(1, num_steps // 200)), "About 200 points a curve."),
        Choice("monitoring.checkpoint_every_steps", min(1000, max(10, num_steps // 20))),
        Choice("monitoring.evaluate_every_epochs", max(1, epochs // 10), "Ten times, as it costs time too."),
    ]


def _fraction(warmup: tuple[int, float], num_steps: int) -> float:
    num_warmup_steps, at_most = warmup
    return rules.warmup_fraction(num_warmup_steps, num_steps, at_most=at_most)
