"""Choose values for the data, the length of training and the evaluation, with a sentence on each; and warn."""

from dino_pipeline.ingestion.listing import said_of_left_out
from dino_pipeline.ingestion.reading import said_of_problems
from dino_pipeline.recipes.hardware import Hardware
from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.length import Length, evaluate_every
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.prediction import clock
from dino_pipeline.recipes.writing import Choice


def data_choices(source: str, data: Measurement, hardware: Hardware) -> list[Choice]:
    """Choose the source of the images, and the held-out splits."""
    choices = [Choice("ingest.source", source, f"{data.num_files:,} files; {_classes(data)}.")]
    if data.shorter_side < 32:
        choices.append(
            Choice("ingest.minimum_size", max(4, data.shorter_side // 2), "Your images are themselves small.")
        )
    if "val" not in data.splits:
        share = 0.1 if data.num_images >= 5000 else 0.2
        choices.append(
            Choice(
                "ingest.validation_fraction",
                share,
                "There is no val folder; all choices are made on this split.",
            )
        )
    if "test" not in data.splits:
        share = 0.1 if data.num_classes else 0.0
        why = (
            "There is no test folder; this split is only used for the final measurement."
            if share
            else "Without labels there is nothing to measure."
        )
        choices.append(Choice("ingest.test_fraction", share, why))
    choices.append(Choice("ingest.num_workers", hardware.num_cores, "The cores found."))
    return choices


def schedule(data: Measurement, hardware: Hardware, length: Length, *, batch: int) -> list[Choice]:
    """Choose the length of training and probe, and the training's schedules."""
    n, epochs = data.num_images, length.epochs
    num_steps = epochs * max(1, n // batch)
    rate = {"start": 5e-4, "end": 1e-6} if hardware.num_gpus else {"start": 2e-3, "end": 1e-5}
    momentum, temperature = rules.teacher_momentum(n), rules.teacher_temperature(n)
    return [
        Choice(
            "pretrain.epochs",
            epochs,
            f"{rules.most_epochs(n):,} would suit {n:,} images (20 million seen, 100 to 2,000 epochs). Of "
            f"{length.hours:g} h for the whole kedro run, predicted from a measurement here, the other stages take "
            f"{clock(length.other_hours)} and the training gets {clock(length.training_hours)}.",
        ),
        Choice(
            "pretrain.max_hours",
            round(length.training_hours, 5),
            "Ends in time, with complete schedules, if the machine is slower than measured.",
        ),
        *(
            [
                Choice(
                    "probe.epochs",
                    length.probe_epochs,
                    "As many as a quarter of the hours allows; the paper has 100.",
                )
            ]
            if length.probe_epochs is not None
            else []
        ),
        Choice(
            "pretrain.schedules.learning_rate",
            {"warmup_from": 0.0, **rate, "warmup_fraction": _fraction(rules.LEARNING_RATE_WARMUP, num_steps)},
            "For a batch of 256. "
            + (
                "The paper's. "
                if hardware.num_gpus
                else "Four times the paper's, as on CIFAR-10, because the run is short. "
            )
            + "Warm-up of 12,500 steps, at most a tenth of the run (lightly-train).",
        ),
        Choice(
            "pretrain.schedules.teacher_momentum",
            {"warmup_from": momentum, "start": momentum, "end": 1.0, "warmup_fraction": 0.0},
            "Starts at 0.99 (20,000 images) to 0.996 (ImageNet): in a few steps, a slower teacher would hardly "
            "move.",
        ),
        Choice(
            "pretrain.schedules.teacher_temperature",
            {
                "warmup_from": rules.first_teacher_temperature(n),
                "start": temperature,
                "end": temperature,
                "warmup_fraction": _fraction(rules.TEACHER_TEMPERATURE_WARMUP, num_steps),
            },
            "0.02 (20,000 images) to 0.07 (ImageNet): lower on little data, against uniform collapse. Warm-up of "
            "37,500 steps, at most 0.3 of the run (lightly-train).",
        ),
        Choice(
            "pretrain.optimizer.freeze_last_layer_fraction",
            _fraction(rules.FROZEN_LAST_LAYER, num_steps),
            "The prototypes are frozen for the first 1,250 steps, at most a tenth of the run (lightly-train).",
        ),
        Choice(
            "monitoring.log_every_steps", min(50, max(1, num_steps // 200)), "About 200 points per curve."
        ),
        Choice("monitoring.checkpoint_every_steps", min(1000, max(10, num_steps // 20))),
        Choice(
            "monitoring.evaluate_every_epochs",
            evaluate_every(epochs),
            "Ten times only, because each costs time.",
        ),
    ]


def evaluation(data: Measurement, hardware: Hardware) -> list[Choice]:
    """Choose how to extract and show features."""
    has_gpu = hardware.num_gpus > 0
    size, _, patch = rules.crop_sizes(data.shorter_side, has_gpu=has_gpu)
    resize = round(size * 256 / 224) if size >= 128 else size
    shown = max(size, min(2 * size, data.shorter_side))
    choices = [
        Choice(
            "extract.resize", resize, "The paper's 256 to 224 px for large crops, otherwise the crop itself."
        ),
        Choice("extract.crop", size, "As the global crops."),
        Choice(
            "evaluate.picture.image_size",
            shown - shown % patch,
            "Finer attention than in training, if the images are large enough.",
        ),
        Choice(
            "evaluate.photograph.image", None, "A file given here is drawn whole, above the held-out images."
        ),
    ]
    if has_gpu:
        choices += [
            Choice("extract.num_last_blocks", 4, "The paper's linear protocol for its small ViT."),
            Choice("extract.average_patches", False),
            Choice("extract.precision", "bf16" if hardware.has_bf16 else "fp32"),
            Choice("extract.batch_size", 256),
            Choice("extract.num_workers", hardware.num_cores),
        ]
    return choices


def warnings(data: Measurement, length: Length) -> list[str]:
    """What to expect from this data; empty where all is well."""
    said = []
    if data.num_images < 500:
        said.append(
            f"{data.num_images:,} images are too few to learn from scratch: expect features hardly better than "
            "colour histograms. A pretrained network will be better; treat this run as a test."
        )
    elif data.num_images < 5000:
        said.append(
            f"{data.num_images:,} images are few: DINO needs several thousand. Expect features better than an "
            "untrained network's and colours, but far worse than those of a network pretrained on ImageNet."
        )
    if length.predicted_hours > 1.1 * length.hours:
        said.append(
            f"one epoch and what comes after it take {clock(length.predicted_hours)}, predicted here, and not "
            f"{length.hours:g} h: raise --hours."
        )
    if length.epochs < min(30, rules.most_epochs(data.num_images)):
        said.append(
            f"the budget allows only {length.epochs} epochs, and features will still be improving when it ends: give "
            "more with --hours."
        )
    if data.problems:
        said.append(
            f"{len(data.problems):,} of the opened files ({data.unusable_share:.1%}) are no usable images"
            f"{said_of_problems(data.problems)}: quarantine.csv lists all of them after ingest."
        )
    if data.left_out:
        said.append(f"no input: {said_of_left_out(data.left_out)}.")
    if not data.num_classes:
        said.append(
            "there are no labels, so there are no accuracies: judge by the report's pictures and neighbours."
        )
    return said


def _classes(data: Measurement) -> str:
    labels = f"{data.num_classes} classes" if data.num_classes else "no labels"
    return f"{labels}; {'splits ' + ', '.join(data.splits) if len(data.splits) > 1 else 'no split folders'}"


def _fraction(warmup: tuple[int, float], num_steps: int) -> float:
    num_warmup_steps, at_most = warmup
    return rules.warmup_fraction(num_warmup_steps, num_steps, at_most=at_most)
