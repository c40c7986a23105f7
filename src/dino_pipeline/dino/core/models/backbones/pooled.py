"""Any other timm network (ResNet, ConvNeXt, XCiT, ...): its pooled output is the feature."""

from typing import Any

from torch import Tensor, nn


class PooledBackbone(nn.Module):
    """A timm network without classifier."""

    is_vit = False
    model: Any  # a timm network; they share names, not a class

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.num_features: int = self.model.num_features

    def forward(self, images: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, dim]."""
        features: Tensor = self.model(images)
        return features

    def last_blocks(self, images: Tensor, *, num_blocks: int, average_patches: bool) -> Tensor:
        """The pooled feature, which is what the linear protocol uses for ConvNets: [N, dim].

        Raises:
            ValueError: when ViT features are asked for.
        """
        if num_blocks != 1 or average_patches:
            raise ValueError(
                "a ConvNet has one feature: set num_last_blocks to 1 and average_patches to false"
            )
        features: Tensor = self(images)
        return features

    def use_checkpointing(self) -> None:
        """Keep fewer activations for the backward pass, as timm does it for this network."""
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
