"""Adapter for timm's Eva, the networks of DINOv3: a ViT with rotary position embeddings, used by its pooled output."""

from timm.models.eva import Eva
from torch import Tensor, nn

from dino_pipeline.dino.core.models.backbones.pooled import PooledBackbone


class EvaBackbone(PooledBackbone):
    """It gives [CLS] with the option `global_pool: token`, as DINOv3 does, or else the mean of its patches."""

    @staticmethod
    def fits(model: nn.Module) -> bool:
        """Whether this is timm's Eva."""
        return isinstance(model, Eva)

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Normed patch tokens of the last block, [N, rows, columns, dim]."""
        rows, columns = (
            size // patch
            for size, patch in zip(images.shape[-2:], self.model.patch_embed.patch_size, strict=True)
        )
        tokens: Tensor = self.model.forward_features(images)
        patches: Tensor = tokens[:, self.model.num_prefix_tokens :].unflatten(1, (rows, columns))
        return patches
