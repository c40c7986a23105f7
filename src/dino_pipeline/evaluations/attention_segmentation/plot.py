"""Plot images, their masks, and the masks of the best-fitting heads."""

from collections.abc import Mapping

import torch
from PIL import Image

from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.dino.evaluation.attention_segmentation.measure import Normalisation, best_mask, head_masks
from dino_pipeline.dino.evaluation.voc import MaskedImages
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.plotting.grids import grid
from dino_pipeline.plotting.pixels import colored


def picture(
    vits: Mapping[str, ViTBackbone],
    images: MaskedImages,
    normalisation: Normalisation,
    config: AttentionSegmentationConfig,
) -> Image.Image:
    """A row for each of some images spread evenly over the list: the image, its mask, a mask of each network."""
    ids = [images.ids[position] for position in evenly_spaced(len(images), config.num_shown)]
    rows = []
    for id_ in ids:
        image, mask = images.read(id_)
        found = {
            name: best_mask(
                head_masks(vit, image, normalisation, image_size=config.image_size, mass=config.mass),
                torch.from_numpy(mask),
            )
            for name, vit in vits.items()
        }
        rows.append(
            [
                ("image", image / 255),
                ("truth", colored(image, mask)),
                *((f"{name}'s best head", colored(image, best.numpy())) for name, best in found.items()),
            ]
        )
    return grid(rows, ids, cell=(2.4, 1.8))
