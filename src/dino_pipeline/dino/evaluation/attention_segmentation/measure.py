"""How well heads outline objects: the Jaccard index of figure 4 (arXiv:2104.14294).

As the authors describe it (https://github.com/facebookresearch/dino/issues/54): for each object the head that
fits it best, the mean over an image's objects, the mean over images. The best head is picked by the truth, so
this says what attention holds and not what a method without the truth would find.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.dino.evaluation.attention_segmentation.jaccard import head_jaccards
from dino_pipeline.dino.evaluation.attention_segmentation.masks import Normalisation, head_masks
from dino_pipeline.dino.evaluation.masks.voc import BACKGROUND, VOID, MaskedImages


def vits_of(backbones: Mapping[str, Backbone], name: str) -> dict[str, ViTBackbone]:
    """The networks, of which each is one with [CLS] attention.

    Args:
        name: the architecture's, for the message.

    Raises:
        ValueError: the architecture has no attention of [CLS].
    """
    vits = {key: backbone for key, backbone in backbones.items() if isinstance(backbone, ViTBackbone)}
    if len(vits) < len(backbones):
        raise ValueError(
            f"attention_segmentation needs a plain ViT, whose [CLS] attends to patches; {name} has no such "
            "attention: use patch_segmentation, which takes any network"
        )
    return vits


def measure_attention(
    vits: Mapping[str, ViTBackbone],
    images: MaskedImages,
    normalisation: Normalisation,
    config: AttentionSegmentationConfig,
) -> dict[str, Any]:
    """Jaccard indices in [0, 1] by network, and what they were measured on.

    For each network `jaccard` is the paper's number, `jaccard_objects` the mean over all objects whatever
    their image, and `heads` what each single head reaches for every object: its mean over objects.

    Raises:
        ValueError: an image cannot be read, or no mask holds an object.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in vits}  # of each image, [objects, heads]
    for id_ in tqdm(images.ids, desc="attention", unit=" images", disable=None, leave=False):
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
            f"no mask in {images.folder / images.masks} holds an object: all is background or void"
        )
    return {
        "num_images": len(first),
        "num_objects": sum(len(jaccards) for jaccards in first),
        "networks": {name: _means(jaccards) for name, jaccards in found.items()},
    }


def best_mask(masks: Tensor, truth: Tensor) -> Tensor:
    """For a picture: each object's best mask with the object's value, uint8 [height, width]; later objects on top."""
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
