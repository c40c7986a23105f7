"""Adapter for all other timm networks (ResNet, ConvNeXt, XCiT, ...): the pooled output is the feature."""

from typing import Any

from torch import Tensor, nn


class PooledBackbone(nn.Module):
    """A timm network without classifier."""

    is_vit = False
    model: Any  # a timm network; these share method names, but no base class

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.num_features: int = self.model.num_features

    def forward(self, images: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, dim]."""
        features: Tensor = self.model(images)
        return features

    def last_blocks(self, images: Tensor, *, num_blocks: int, average_patches: bool) -> Tensor:
        """The pooled feature, which the linear protocol uses for ConvNets: [N, dim].

        Raises:
            ValueError: the arguments request features that only a ViT has.
        """
        if num_blocks != 1 or average_patches:
            raise ValueError(
                "a ConvNet has one feature: set num_last_blocks to 1 and average_patches to false"
            )
        features: Tensor = self(images)
        return features

    def use_checkpointing(self) -> None:
        """Turn on timm's gradient checkpointing, which keeps fewer activations for the backward pass."""
        self.model.set_grad_checkpointing(True)

    def patch_tokens(self, images: Tensor) -> Tensor:
        """The last feature map, [N, rows, columns, dim]."""
        maps: Tensor = self.model.forward_features(images)
        if maps.ndim == 3:  # XCiT: tokens, [CLS] first
            patch = self.model.patch_embed.patch_size
            grid = (images.shape[-2] // patch, images.shape[-1] // patch)
            patches: Tensor = maps[:, self.model.num_prefix_tokens :].unflatten(1, grid)
            return patches
        return maps.permute(0, 2, 3, 1)
