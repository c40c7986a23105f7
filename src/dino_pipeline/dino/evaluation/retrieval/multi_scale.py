"""The descriptor of an image at several scales (https://github.com/facebookresearch/dino, utils.multi_scale)."""

from collections.abc import Sequence

from timm.layers import to_2tuple
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.models.backbone import Backbone


def multi_scale_descriptor(backbone: Backbone, images: Tensor, *, scales: Sequence[float]) -> Tensor:
    """The mean of the backbone's feature over scales, as a unit vector: [N, dim].

    Args:
        images: normalised [N, 3, H, W]; at each scale what exceeds whole patches is cut off at the right and bottom.
        scales: factors of the sides.

    Raises:
        ValueError: at some scale an image is smaller than a patch.
    """
    total = sum(backbone(_whole_patches(backbone, _scaled(images, scale), scale)) for scale in scales)
    descriptor: Tensor = F.normalize(total, dim=1)
    return descriptor


def _scaled(images: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)


def _whole_patches(backbone: Backbone, images: Tensor, scale: float) -> Tensor:
    if not hasattr(backbone.model, "patch_embed"):
        return images
    height, width = images.shape[-2:]
    patch_height, patch_width = to_2tuple(backbone.model.patch_embed.patch_size)
    if height < patch_height or width < patch_width:
        raise ValueError(
            f"at scale {scale:g} an image has {height}x{width} px, less than a patch: leave that scale out"
        )
    return images[..., : height - height % patch_height, : width - width % patch_width]
