"""From the measurement and the hardware to values, with a sentence on each: the recipe before it is a file."""

from typing import Any, NamedTuple

from dino_pipeline.init import size_adaptive as rules
from dino_pipeline.init.hardware import Hardware
from dino_pipeline.init.measurement import Measurement


class Choice(NamedTuple):
    """A parameter, its value, and why; no sentence where the one before says it."""

    key: str
    value: Any
    why: str = ""


def data_choices(source: str, data: Measurement, hardware: Hardware) -> list[Choice]:
    """Where the images are, and what is held out."""
    choices = [Choice("ingest.source", source, f"{data.num_files:,} files; {_classes(data)}.")]
    if data.shorter_side < 32:
        choices.append(
            Choice("ingest.minimum_size", max(4, data.shorter_side // 2), "Your images are small themselves.")
        )
    if "val" not in data.splits:
        share = 0.1 if data.num_images >= 5000 else 0.2
        choices.append(
            Choice(
                "ingest.validation_fraction",
                share,
                "There is no val folder; whatever is chosen is chosen on it.",
            )
        )
    if "test" not in data.splits:
        share = 0.1 if data.num_classes else 0.0
        why = (
            "There is no test folder; it is only ever measured on."
            if share
            else "Nothing to measure without labels."
        )
        choices.append(Choice("ingest.test_fraction", share, why))
    choices.append(Choice("ingest.num_workers", hardware.num_cores, "The cores found."))
    return choices


def architecture(data: Measurement, hardware: Hardware) -> list[Choice]:
    """Everything of the training that does not depend on its length."""
    n, has_gpu = data.num_images, hardware.num_gpus > 0
    size, local, patch = rules.crop_sizes(data.shorter_side, has_gpu=has_gpu)
    largest = 64 * hardware.num_gpus * (4 if size <= 64 else 1) if has_gpu else 64
    batch = rules.batch_size(n, largest=largest)
    processes = min(hardware.num_processes, batch)
    return [
        Choice(
            "pretrain.batch_size",
            batch - batch % processes,
            f"{'64 a GPU, 256 of small crops' if has_gpu else '64 on CPU'}, or less for at least 16 steps an "
            "epoch. The learning rate is scaled by batch / 256.",
        ),
        Choice(
            "pretrain.precision",
            "bf16" if hardware.has_bf16 else "fp32",
            "bfloat16 where the GPU or the CPU computes it: two to three times faster, and no loss scaling.",
        ),
        Choice(
            "pretrain.mean", list(data.mean), "Measured on your images, per channel, of pixels in [0, 1]."
        ),
        Choice("pretrain.std", list(data.std)),
        *_backbone(n, size, patch, has_gpu=has_gpu),
        Choice(
            "pretrain.projection_head.num_prototypes",
            rules.num_prototypes(n),
            f"K for {n:,} images: 1,024 below 20,000, 65,536 from 500,000 (lightly-train). The loss of a network that "
            "tells nothing apart is ln K.",
        ),
        *_head(has_gpu=has_gpu),
        *_crops(data, size, local, has_gpu=has_gpu),
        Choice("monitoring.resize", size, "As the global crops."),
        Choice("monitoring.crop", size),
        Choice(
            "launch.cpu_processes",
            processes,
            "The cores found, eight at most; with GPUs one process for each.",
        ),
        Choice(
            "launch.loader_workers",
            max(1, hardware.num_cores // hardware.num_gpus - 1) if has_gpu else 0,
            "A GPU needs its images decoded beside it; on CPU each process decodes its own.",
        ),
    ]


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


def evaluation(data: Measurement, hardware: Hardware) -> list[Choice]:
    """How features are extracted and shown."""
    has_gpu = hardware.num_gpus > 0
    size, _, patch = rules.crop_sizes(data.shorter_side, has_gpu=has_gpu)
    resize = round(size * 256 / 224) if size >= 128 else size
    shown = max(size, min(2 * size, data.shorter_side))
    choices = [
        Choice("extract.resize", resize, "The paper's 256 to 224 px for large crops, else the crop itself."),
        Choice("extract.crop", size, "As the global crops."),
        Choice(
            "evaluate.picture.image_size",
            shown - shown % patch,
            "Finer attention than in training, where the images have it.",
        ),
        Choice("evaluate.photograph.image", None, "A file here is drawn whole, above the held-out images."),
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


def warnings(data: Measurement, *, epochs: int) -> list[str]:
    """What to expect of this data; nothing where all is well."""
    said = []
    if data.num_images < 500:
        said.append(
            f"{data.num_images:,} images are too few to learn from scratch: expect features hardly better than colour "
            "histograms. A network pretrained elsewhere will serve better; take this run as a rehearsal."
        )
    elif data.num_images < 5000:
        said.append(
            f"{data.num_images:,} images are few: DINO wants several thousand. Expect features that beat an untrained "
            "network and colours, and stay far below one pretrained on ImageNet."
        )
    if epochs < min(30, rules.most_epochs(data.num_images)):
        said.append(
            f"the budget allows only {epochs} epochs: features will still be improving when it ends; --hours says more."
        )
    if data.unusable_share > 0.05:
        said.append(
            f"{data.unusable_share:.0%} of the files opened are no usable images: see quarantine.csv after ingest."
        )
    if not data.num_classes:
        said.append(
            "there are no labels, so nothing can be scored: judge by the report's pictures and neighbours."
        )
    return said


def _backbone(n: int, size: int, patch: int, *, has_gpu: bool) -> list[Choice]:
    options: dict[str, Any] = {"img_size": size, "patch_size": patch}
    if not has_gpu:
        name, drop_path, why = (
            "vit_tiny_patch16_224",
            0.0,
            "No GPU: a ViT of a million parameters, for hours and not weeks.",
        )
        options |= {"embed_dim": 128, "depth": 4, "num_heads": 4}
    elif n < rules.SMALL or size <= 64:
        name, drop_path, why = (
            "vit_tiny_patch16_224",
            0.0,
            "ViT-Ti (5 million parameters) below 20,000 or for small images.",
        )
        options |= {"embed_dim": 192, "depth": 12, "num_heads": 3}
    else:
        name, drop_path, why = (
            "vit_small_patch16_224",
            0.1,
            "ViT-S (21 million parameters), the paper's smallest.",
        )
        options |= {"embed_dim": 384, "depth": 12, "num_heads": 6}
    return [
        Choice("pretrain.backbone.name", name, why),
        Choice(
            "pretrain.backbone.options",
            options,
            f"Patches of {patch} px make {(size // patch) ** 2} of a global crop.",
        ),
        Choice("pretrain.backbone.drop_path_rate", drop_path),
    ]


def _head(*, has_gpu: bool) -> list[Choice]:
    why = "The paper's head." if has_gpu else "A head to the backbone's measure."
    norm = (
        "ViTs go without (paper)."
        if has_gpu
        else "The paper's ViTs go without; the demo's short runs go with it."
    )
    return [
        Choice("pretrain.projection_head.hidden_dim", 2048 if has_gpu else 512, why),
        Choice("pretrain.projection_head.bottleneck_dim", 256 if has_gpu else 128),
        Choice("pretrain.projection_head.norm_last_layer", True, "The stable choice (paper)."),
        Choice("pretrain.projection_head.batch_norm", not has_gpu, norm),
    ]


def _crops(data: Measurement, size: int, local: int, *, has_gpu: bool) -> list[Choice]:
    small = size <= 32
    sides = (
        f"Your images have shorter sides of {data.sides[0]} to {data.sides[1]} px, median {data.shorter_side}"
    )
    choices = [
        Choice(
            "pretrain.multi_crop.global_crop_size",
            size,
            f"{sides}{'' if has_gpu or small else '; on CPU 64 px are what time allows'}.",
        ),
        Choice("pretrain.multi_crop.local_crop_size", local),
        Choice(
            "pretrain.multi_crop.num_local_crops",
            6 if has_gpu else 4,
            "More cost time and help (paper, table 8).",
        ),
        Choice(
            "pretrain.multi_crop.global_crop_scale",
            [0.4, 1.0] if small else [0.25, 1.0],
            "Shares of the image's area: the paper's split at 0.25; a small image has no details to crop so tightly.",
        ),
        Choice("pretrain.multi_crop.local_crop_scale", [0.1, 0.4] if small else [0.05, 0.25]),
    ]
    radius = list(rules.blur_radius(size))
    for view in ("global_1", "global_2", "local"):
        first = view == "global_1"
        choices.append(
            Choice(
                f"pretrain.multi_crop.{view}.blur_radius",
                radius,
                "The paper's 2 px at 224 px, the same share of your crops." if first else "",
            )
        )
        if data.is_grey:
            why = "Grey images: there is no colour to change." if first else ""
            choices.append(Choice(f"pretrain.multi_crop.{view}.saturation", 0.0, why))
            choices.append(Choice(f"pretrain.multi_crop.{view}.hue", 0.0))
            choices.append(Choice(f"pretrain.multi_crop.{view}.grayscale_probability", 0.0))
    return choices


def _fraction(warmup: tuple[int, float], num_steps: int) -> float:
    num_warmup_steps, at_most = warmup
    return rules.warmup_fraction(num_warmup_steps, num_steps, at_most=at_most)


def _classes(data: Measurement) -> str:
    labels = f"{data.num_classes} classes" if data.num_classes else "no labels"
    return f"{labels}; {'splits ' + ', '.join(data.splits) if len(data.splits) > 1 else 'no split folders'}"
