"""How features are extracted and shown."""

from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.hardware import Hardware
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.writing import Choice


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
