"""Frozen patch tokens of labelled images, each with the class of most of its pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.core.data.images import Pixels
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig
from dino_pipeline.dino.evaluation.sizes import cell_size, fitted, resized
from dino_pipeline.dino.evaluation.voc import VOID, MaskedImages
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.dino.progress import with_progress


def patch_labels(mask: Tensor, rows: int, columns: int) -> Tensor:
    """Majority class of each cell of a mask uint8 [height, width], cut into rows x columns: int64 [rows, columns].

    Among values that cover equally many pixels, the smallest wins. A cell that is mostly void, or has no pixel, is
    void.
    """
    height, width = mask.shape
    row = torch.arange(height) * rows // height
    column = torch.arange(width) * columns // width
    cells = row[:, None] * columns + column
    counts = torch.bincount((cells * 256 + mask).flatten(), minlength=rows * columns * 256)
    counts = counts.view(rows * columns, 256)
    labels = counts.argmax(dim=1)
    labels[counts.sum(dim=1) == 0] = VOID
    return labels.view(rows, columns)


class Tokenizer(NamedTuple):
    """A frozen network and the preparation of its images."""

    backbone: Backbone  # in evaluation mode
    image_size: int  # shorter side in pixels
    mean: Sequence[float]
    std: Sequence[float]

    @torch.inference_mode()
    def __call__(self, image: Pixels) -> Tensor:
        """uint8 [height, width, 3] to patch tokens [rows, columns, dimensions], on the network's device."""
        height, width = fitted(*image.shape[:2], size=self.image_size, patch=cell_size(self.backbone))
        device = next(self.backbone.parameters()).device
        inputs = normalise(resized(image, height, width).to(device), self.mean, self.std)
        return self.backbone.patch_tokens(inputs)[0].float()


class LabelledPatches(NamedTuple):
    """Patches of labelled images, without void patches."""

    tokens: Tensor  # [patches, dimensions]
    labels: Tensor  # int64 [patches], mask values; on the tokens' device
    images: Tensor  # int64 [patches], the image's position in the list; on the tokens' device


def labelled_patches(
    tokenizer: Tokenizer, images: MaskedImages, config: PatchSegmentationConfig
) -> LabelledPatches:
    """Tokens and majority classes of the images' patches, at most `patches_per_image` from each, drawn by the seed.

    Raises:
        ValueError: an image or mask cannot be read, or all patches are void.
    """
    generator = torch.Generator().manual_seed(config.seed)
    parts = []
    for position, id_ in enumerate(with_progress(images.ids, "read labelled", unit="images")):
        image, mask = images.read(id_)
        tokens = tokenizer(image)
        labels = patch_labels(torch.from_numpy(mask), *tokens.shape[:2]).flatten()
        known = (labels != VOID).nonzero().flatten()
        drawn = known[torch.randperm(len(known), generator=generator)[: config.patches_per_image]]
        parts.append(
            LabelledPatches(
                tokens.flatten(0, 1)[drawn.to(tokens.device)],
                labels[drawn].to(tokens.device),
                torch.full_like(drawn, position).to(tokens.device),
            )
        )
    patches = LabelledPatches(*(torch.cat(column) for column in zip(*parts, strict=True)))
    if not len(patches.labels):
        raise ValueError(
            f"the masks of all {len(images)} labelled images are void: choose other images with another "
            "patch_segmentation.seed"
        )
    return patches
