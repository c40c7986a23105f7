"""Attention segmentation: Jaccard index between heads' attention and object masks (arXiv:2104.14294, figure 4).

The protocol is the authors' (https://github.com/facebookresearch/dino/issues/54): for each object the best head, the
mean over an image's objects, the mean over images. The true mask selects the best head, so this measures what
attention contains, not what a method without the mask would find.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images import Pixels
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.dino.evaluation.sizes import cell_size, resized
from dino_pipeline.dino.evaluation.voc import BACKGROUND, VOID, MaskedImages
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.dino.progress import with_progress


class Normalisation(NamedTuple):
    """Colour statistics per channel, as in training."""

    mean: Sequence[float]
    std: Sequence[float]


def head_masks(
    backbone: ViTBackbone, image: Pixels, normalisation: Normalisation, *, image_size: int | None, mass: float
) -> Tensor:
    """Mask of the patches with most of each head's [CLS] attention: bool [heads, seen height, seen width], on the CPU.

    The mask is in pixels of the image, upsampled by nearest neighbour. As in the reference's visualize_attention.py,
    partial patches at the right and the bottom are cut off before the network, and the masks end there.

    Args:
        image: uint8 [height, width, 3].
        image_size: shorter side in pixels of the network's input; None: the image's own size.

    Raises:
        ValueError: the image is smaller than a patch.
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = image_size or shorter
    pixels = resized(image, height * size // shorter, width * size // shorter)
    patch = cell_size(backbone)
    rows, columns = pixels.shape[-2] // patch, pixels.shape[-1] // patch
    if not rows or not columns:
        raise ValueError(
            f"an image of {width}x{height} px is smaller than a patch of {patch} px: "
            "set attention_segmentation.image_size"
        )
    device = next(backbone.parameters()).device
    seen = normalise(pixels[..., : rows * patch, : columns * patch].to(device), *normalisation)
    kept = most_attended(class_attention(backbone, seen), mass).cpu()
    own_size = (
        round(height * rows * patch / pixels.shape[-2]),
        round(width * columns * patch / pixels.shape[-1]),
    )
    return F.interpolate(kept.to(torch.uint8), own_size, mode="nearest")[0].bool()


def head_jaccards(masks: Tensor, truth: Tensor) -> Tensor:
    """Jaccard index of each object with each head's mask: float64 [objects, heads]. Void pixels do not count.

    Args:
        masks: bool [heads, height, width].
        truth: uint8 [height, width]; each value except background and void is an object.
    """
    known = truth != VOID
    values = truth[known & (truth != BACKGROUND)].unique()
    objects = truth[known][None] == values[:, None]  # [objects, known pixels]
    kept = masks[:, known]  # [heads, known pixels]
    intersections = objects.double() @ kept.double().T
    unions = objects.sum(dim=1)[:, None] + kept.sum(dim=1)[None] - intersections
    jaccards: Tensor = intersections / unions
    return jaccards


def vits_of(backbones: Mapping[str, Backbone], name: str) -> dict[str, ViTBackbone]:
    """Check that every network has [CLS] attention.

    Args:
        name: the architecture's name, for the message.

    Raises:
        ValueError: the architecture has no [CLS] attention.
    """
    vits = {key: backbone for key, backbone in backbones.items() if isinstance(backbone, ViTBackbone)}
    if len(vits) < len(backbones):
        raise ValueError(
            f"attention_segmentation needs a plain ViT, whose [CLS] token attends to patches, but {name} has no "
            "such attention: use patch_segmentation, which works with any network"
        )
    return vits


def measure_attention(
    vits: Mapping[str, ViTBackbone],
    images: MaskedImages,
    normalisation: Normalisation,
    config: AttentionSegmentationConfig,
) -> dict[str, Any]:
    """Jaccard indices in [0, 1] by network, and the numbers of images and objects.

    For each network, `jaccard` is the paper's number, `jaccard_objects` the mean over all objects regardless of their
    image, and `heads` each single head's mean over all objects.

    Raises:
        ValueError: an image cannot be read, or no mask contains an object.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in vits}  # per image, [objects, heads]
    for id_ in with_progress(images.ids, "attention", unit="images"):
        image, mask = images.read(id_)
        truth = torch.from_numpy(mask)
        for name, vit in vits.items():
            masks = head_masks(vit, image, normalisation, image_size=config.image_size, mass=config.mass)
            jaccards = head_jaccards(masks, truth[: masks.shape[1], : masks.shape[2]])
            if len(jaccards):
                found[name].append(jaccards)
    first = next(iter(found.values()))
    if not first:
        raise ValueError(
            f"no mask in {images.folder / images.masks} contains an object, only background or void pixels: check "
            "the folder of masks"
        )
    return {
        "num_images": len(first),
        "num_objects": sum(len(jaccards) for jaccards in first),
        "networks": {name: _means(jaccards) for name, jaccards in found.items()},
    }


def best_mask(masks: Tensor, truth: Tensor) -> Tensor:
    """Each object's best mask with the object's value, uint8 [height, width], for pictures; later objects on top."""
    truth = truth[: masks.shape[1], : masks.shape[2]]
    jaccards = head_jaccards(masks, truth)
    values = [value for value in truth.unique().tolist() if value not in (BACKGROUND, VOID)]
    shown = torch.zeros_like(truth)
    for value, head in zip(values, jaccards.argmax(dim=1).tolist(), strict=True):
        shown[masks[head]] = value
    return shown


def _means(images: list[Tensor]) -> dict[str, Any]:
    best = [jaccards.amax(dim=1) for jaccards in images]
    return {
        "jaccard": float(torch.stack([of_image.mean() for of_image in best]).mean()),
        "jaccard_objects": float(torch.cat(best).mean()),
        "heads": torch.cat(images).mean(dim=0).tolist(),
    }
