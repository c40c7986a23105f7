"""timm's VisionTransformer run as DINO runs it: [CLS] is the feature, position embeddings fit any image size."""

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from dino_pipeline.dino.models.position_embedding import interpolate_position_embedding


class ViTBackbone(nn.Module):
    """A ViT with a [CLS] token that takes images of any size divisible by its patch."""

    is_vit = True

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        if model.cls_token is None or model.num_reg_tokens or model.no_embed_class:
            raise ValueError(
                "this ViT has no plain [CLS] token (or has registers); DINO's feature is that token"
            )
        self.model = model
        self.num_features: int = model.num_features

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] -> the normed [CLS] token [N, dim]."""
        return self._blocks(images, num_last=1)[-1][:, 0]

    def last_blocks(self, images: Tensor, *, num_blocks: int, average_patches: bool) -> Tensor:
        """The linear protocol's feature: normed [CLS] of the last blocks, then the mean of the last patch tokens.

        Returns:
            [N, dim * num_blocks], or [N, dim * (num_blocks + 1)] with `average_patches`.
        """
        if not 1 <= num_blocks <= len(self.model.blocks):
            raise ValueError(f"num_blocks is {num_blocks}; this ViT has {len(self.model.blocks)} blocks")
        outputs = self._blocks(images, num_last=num_blocks)
        features = [tokens[:, 0] for tokens in outputs]
        if average_patches:
            features.append(outputs[-1][:, 1:].mean(dim=1))
        return torch.cat(features, dim=-1)

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Normed patch tokens of the last block, [N, rows, columns, dim]."""
        rows, columns = self._grid(images)
        patches: Tensor = self._blocks(images, num_last=1)[-1][:, 1:].unflatten(1, (rows, columns))
        return patches

    def attention(self, images: Tensor) -> Tensor:
        """Self-attention of the last block, [N, heads, tokens, tokens]; row 0 is [CLS] looking at everything."""
        x = self._embed(images)
        *others, last = self.model.blocks
        for block in others:
            x = block(x)
        attn = last.attn
        qkv = attn.qkv(last.norm1(x)).unflatten(-1, (3, attn.num_heads, attn.head_dim)).permute(2, 0, 3, 1, 4)
        query, key = attn.q_norm(qkv[0]), attn.k_norm(qkv[1])
        attention: Tensor = (query * attn.scale @ key.transpose(-2, -1)).softmax(dim=-1)
        return attention

    def use_matmul_attention(self) -> None:
        """Plain matmul and softmax: on CPU in bfloat16 the fused kernel is 3-8 times slower."""
        for block in self.model.blocks:
            block.attn.fused_attn = False

    def _grid(self, images: Tensor) -> tuple[int, int]:
        patch_height, patch_width = self.model.patch_embed.patch_size
        return images.shape[-2] // patch_height, images.shape[-1] // patch_width

    def _embed(self, images: Tensor) -> Tensor:
        rows, columns = self._grid(images)
        patches = self.model.patch_embed(images).flatten(1, 2)  # timm gives [N, rows, columns, dim]
        tokens = torch.cat([self.model.cls_token.expand(images.shape[0], -1, -1), patches], dim=1)
        embedded: Tensor = tokens + interpolate_position_embedding(self.model.pos_embed, rows, columns)
        normed: Tensor = self.model.norm_pre(embedded)
        return normed

    def _blocks(self, images: Tensor, *, num_last: int) -> list[Tensor]:
        """Normed tokens [N, tokens, dim] after each of the last blocks."""
        x = self._embed(images)
        outputs = []
        for index, block in enumerate(self.model.blocks):
            x = block(x)
            if index >= len(self.model.blocks) - num_last:
                outputs.append(self.model.norm(x))
        return outputs
