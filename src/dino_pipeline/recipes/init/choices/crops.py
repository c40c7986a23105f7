"""The views: their sizes, how many, and what is done to them."""

from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.writing import Choice


def crops(data: Measurement, size: int, local: int, *, has_gpu: bool) -> list[Choice]:
    """Crops that fit the images and the hardware."""
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
