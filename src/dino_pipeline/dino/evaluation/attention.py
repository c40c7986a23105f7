"""Visualise a backbone: attention of [CLS] (ViT), or principal components of the feature map (any network)."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.models.backbones.pooled import PooledBackbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone


@torch.inference_mode()
def class_attention(backbone: ViTBackbone, images: Tensor) -> Tensor:
    """Attention of the last block's [CLS] to each patch: [N, heads, rows, columns].

    Args:
        images: normalised [N, channels, H, W], sides divisible by the patch size.
    """
    attention = backbone.attention(images, num_rows=1)[:, :, 0, backbone.num_prefix :]
    patch = backbone.model.patch_embed.patch_size
    maps: Tensor = attention.unflatten(-1, (images.shape[-2] // patch[0], images.shape[-1] // patch[1]))
    return maps


def most_attended(attention: Tensor, mass: float) -> Tensor:
    """The fewest patches that together hold `mass` of each map: bool, in the shape of the maps [..., rows, columns].

    As in the paper's figures, patches are added from the most attended down until at most 1 - mass remains.
    """
    shares, order = attention.flatten(-2).sort(dim=-1)
    shares = shares / shares.sum(dim=-1, keepdim=True)
    kept = shares.cumsum(dim=-1) > 1 - mass
    return kept.gather(-1, order.argsort(dim=-1)).view(attention.shape)


@torch.inference_mode()
def feature_colors(backbone: ViTBackbone | PooledBackbone, images: Tensor) -> Tensor:
    """The first three principal components of all patch features as colours: [N, rows, columns, 3]."""
    return principal_colors(backbone.patch_tokens(images))


def principal_colors(tokens: Tensor) -> Tensor:
    """Project [..., dimensions] on the first three principal axes, and scale each to [0, 1]."""
    flat = tokens.flatten(0, -2).double()
    centered = flat - flat.mean(dim=0)
    _, axes = torch.linalg.eigh(centered.T @ centered)
    axes = axes[:, -3:].flip(-1)
    # The sign of an axis is arbitrary. A positive largest entry makes equal features look equal.
    largest = axes.abs().argmax(dim=0, keepdim=True)
    projected = centered @ (axes * axes.gather(0, largest).sign())
    low, high = projected.amin(dim=0), projected.amax(dim=0)
    colors: Tensor = (projected - low) / (high - low).clamp(min=1e-12)
    return colors.float().view(*tokens.shape[:-1], 3)
