"""Choose the network, its head and its views: the values of a training that do not depend on its length."""

from typing import Any

from dino_pipeline.recipes.hardware import Hardware
from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.writing import Choice


def architecture(data: Measurement, hardware: Hardware) -> list[Choice]:
    """Choose the values of a training that do not depend on its length."""
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
            "epoch. The learning rate is multiplied by batch / 256.",
        ),
        Choice(
            "pretrain.precision",
            "bf16" if hardware.has_bf16 else "fp32",
            "bfloat16 if the GPU or the CPU supports it: two to three times faster, without loss scaling.",
        ),
        *_images(data),
        Choice(
            "pretrain.mean", list(data.mean), "Measured on your images, per channel, of pixels in [0, 1]."
        ),
        Choice("pretrain.std", list(data.std)),
        *_backbone(n, size, patch, has_gpu=has_gpu),
        Choice(
            "pretrain.projection_head.num_prototypes",
            rules.num_prototypes(n),
            f"K for {n:,} images: 1,024 below 20,000, 65,536 from 500,000 (lightly-train). A network that gives "
            "the same output for every image has the loss ln K.",
        ),
        *_head(has_gpu=has_gpu),
        *_crops(data, size, local, has_gpu=has_gpu),
        Choice("monitoring.resize", size, "As the global crops."),
        Choice("monitoring.crop", size),
        Choice(
            "launch.cpu_processes",
            processes,
            "The cores found, at most eight; with GPUs, one process each.",
        ),
        Choice(
            "launch.loader_workers",
            max(1, hardware.num_cores // hardware.num_gpus - 1) if has_gpu else 0,
            "For a GPU, other processes decode the images; on CPU, each process decodes its own.",
        ),
        Choice(
            "launch.augment_on_device",
            has_gpu,
            "A GPU augments colours by the batch; on CPU, each crop is augmented when it is cut.",
        ),
    ]


def _images(data: Measurement) -> list[Choice]:
    images = data.images
    if (images.channels, images.bits) == (3, 8):  # as in conf/base
        return []
    stored = f"{images.channels} channel{'s' if images.channels > 1 else ''} of {images.bits} bits"
    return [
        Choice(
            "pretrain.images",
            {"channels": images.channels, "bits": images.bits},
            f"Your files have {stored}; others are quarantined.",
        )
    ]


def _backbone(n: int, size: int, patch: int, *, has_gpu: bool) -> list[Choice]:
    """Choose a ViT for the images and the hardware."""
    options: dict[str, Any] = {"img_size": size, "patch_size": patch}
    if not has_gpu:
        name, drop_path, why = (
            "vit_tiny_patch16_224",
            0.0,
            "No GPU: a ViT of one million parameters, which trains in hours, not weeks.",
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
    """Choose the projection head. The number of prototypes depends only on the number of images."""
    why = "The paper's head." if has_gpu else "A head that fits the small backbone."
    norm = (
        "ViTs have no batch norm in the head (paper)."
        if has_gpu
        else "The paper's ViTs have none; the demo's short runs need it."
    )
    return [
        Choice("pretrain.projection_head.hidden_dim", 2048 if has_gpu else 512, why),
        Choice("pretrain.projection_head.bottleneck_dim", 256 if has_gpu else 128),
        Choice("pretrain.projection_head.norm_last_layer", True, "The stable choice (paper)."),
        Choice("pretrain.projection_head.batch_norm", not has_gpu, norm),
    ]


def _crops(data: Measurement, size: int, local: int, *, has_gpu: bool) -> list[Choice]:
    """Choose crops that fit the images and the hardware."""
    small = size <= 32
    sides = (
        f"Your images have shorter sides of {data.sides[0]} to {data.sides[1]} px, median {data.shorter_side}"
    )
    choices = [
        Choice(
            "pretrain.multi_crop.global_crop_size",
            size,
            f"{sides}{'' if has_gpu or small else '; on CPU there is time for 64 px'}.",
        ),
        Choice("pretrain.multi_crop.local_crop_size", local),
        Choice(
            "pretrain.multi_crop.num_local_crops",
            6 if has_gpu else 4,
            "More crops help and cost time (paper, table 8).",
        ),
        Choice(
            "pretrain.multi_crop.global_crop_scale",
            [0.4, 1.0] if small else [0.25, 1.0],
            "Shares of the image's area: the paper's boundary at 0.25; a small image has no details for tighter "
            "crops.",
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
                "The same share of your crops as the paper's 2 px of 224 px." if first else "",
            )
        )
        if data.is_grey:
            why = "Grey images have no colour to change." if first else ""
            choices.append(Choice(f"pretrain.multi_crop.{view}.saturation", 0.0, why))
            choices.append(Choice(f"pretrain.multi_crop.{view}.hue", 0.0))
            choices.append(Choice(f"pretrain.multi_crop.{view}.grayscale_probability", 0.0))
    return choices
