"""Adapter for timm's VisionTransformer: [CLS] is the feature, and position embeddings fit any image size."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dino_pipeline.dino.core.models.drop_path import AddressedDropPath, Kept, add_residual

# The reference adds 0.1 to the target grid so that rounding inside `interpolate` never loses a row
# (https://github.com/facebookresearch/dino/issues/8). This changes the values, so weights trained with it depend on it.
_ROUNDING_OFFSET = 0.1


class ViTBackbone(nn.Module):
    """A ViT with a [CLS] token, with or without registers. It takes images of any size divisible by its patch size."""

    is_vit = True

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        if model.cls_token is None:
            raise ValueError(
                "this ViT has no [CLS] token, but DINO uses it as the feature: choose another backbone.name"
            )
        self.model = model
        self.num_features: int = model.num_features
        self.num_prefix: int = model.num_prefix_tokens  # [CLS], then registers (arXiv:2309.16588)
        self.checkpointing = False

    @staticmethod
    def fits(model: nn.Module) -> bool:
        """Whether this is a plain ViT. timm's variants run their blocks differently."""
        if type(model) is not VisionTransformer:
            return False
        blocks: Any = model.blocks
        return all(type(block) is Block for block in blocks)

    def forward(self, images: Tensor) -> Tensor:
        """[N, channels, H, W] -> the normed [CLS] token [N, dim]."""
        return self._blocks(images, num_last=1, only_cls=True)[-1][:, 0]

    def last_blocks(self, images: Tensor, *, num_blocks: int, average_patches: bool) -> Tensor:
        """The linear protocol's feature: normed [CLS] of the last blocks, then the mean of the last patch tokens.

        Returns:
            [N, dim * num_blocks], or [N, dim * (num_blocks + 1)] with `average_patches`.
        """
        if not 1 <= num_blocks <= len(self.model.blocks):
            raise ValueError(f"num_blocks is {num_blocks}; this ViT has {len(self.model.blocks)} blocks")
        outputs = self._blocks(images, num_last=num_blocks, only_cls=not average_patches)
        features = [tokens[:, 0] for tokens in outputs]
        if average_patches:
            features.append(outputs[-1][:, self.num_prefix :].mean(dim=1))
        return torch.cat(features, dim=-1)

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Normed patch tokens of the last block, [N, rows, columns, dim]."""
        rows, columns = self._grid(images)
        patches: Tensor = self._blocks(images, num_last=1)[-1][:, self.num_prefix :].unflatten(
            1, (rows, columns)
        )
        return patches

    def attention(self, images: Tensor, *, num_rows: int | None = None) -> Tensor:
        """Self-attention of the last block, [N, heads, rows, tokens]. Row 0 is [CLS] attending to all tokens.

        Args:
            num_rows: compute only the first rows. All of them take memory that grows with the square of the image.
        """
        x = self._embed(images)
        *others, last = self.model.blocks
        for block in others:
            x = block(x)
        attn = last.attn
        qkv = attn.qkv(last.norm1(x)).unflatten(-1, (3, attn.num_heads, attn.head_dim)).permute(2, 0, 3, 1, 4)
        query, key = attn.q_norm(qkv[0, :, :, :num_rows]), attn.k_norm(qkv[1])
        attention: Tensor = (query * attn.scale @ key.transpose(-2, -1)).softmax(dim=-1)
        return attention

    def use_matmul_attention(self) -> None:
        """Use plain matmul and softmax: on CPU in bfloat16 the fused kernel is 3-8 times slower."""
        for block in self.model.blocks:
            block.attn.fused_attn = False

    def use_checkpointing(self) -> None:
        """Keep only each block's input for the backward pass, and recompute its activations."""
        self.checkpointing = True

    def _grid(self, images: Tensor) -> tuple[int, int]:
        patch_height, patch_width = self.model.patch_embed.patch_size
        return images.shape[-2] // patch_height, images.shape[-1] // patch_width

    def _embed(self, images: Tensor) -> Tensor:
        model = self.model
        rows, columns = self._grid(images)
        patches = model.patch_embed(images).flatten(1, 2)  # timm returns [N, rows, columns, dim]
        prefix = [token for token in (model.cls_token, model.reg_token) if token is not None]
        # The batch size comes from the tensor, not from a Python number, so that torch.export keeps it variable.
        expanded = [token.expand(images.shape[0], -1, -1) for token in prefix]
        num_embedded = 0 if model.no_embed_class else self.num_prefix
        position = interpolate_position_embedding(model.pos_embed, rows, columns, num_prefix=num_embedded)
        if model.no_embed_class:
            tokens = torch.cat([*expanded, patches + position], dim=1)
        else:
            tokens = torch.cat([*expanded, patches], dim=1) + position
        normed: Tensor = model.norm_pre(tokens)
        return normed

    def _blocks(self, images: Tensor, *, num_last: int, only_cls: bool = False) -> list[Tensor]:
        """Normed tokens [N, tokens, dim] after each of the last blocks; with `only_cls`, [N, 1, dim] after the last.

        The last block's MLP then runs for the [CLS] token alone.
        """
        x = self._embed(images)
        outputs = []
        last = len(self.model.blocks) - 1
        for index, block in enumerate(self.model.blocks):
            num_tokens = 1 if only_cls and index == last else None
            # Read these now: when the backward pass recomputes the block, other samples may be set.
            kept = _kept(block.drop_path1), _kept(block.drop_path2)
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(_block, block, x, *kept, num_tokens, use_reentrant=False)
            else:
                x = _block(block, x, *kept, num_tokens)
            if index > last - num_last:
                outputs.append(self.model.norm(x))
        return outputs


def _block(
    block: Block, x: Tensor, kept_attention: Kept | None, kept_mlp: Kept | None, num_tokens: int | None
) -> Tensor:
    """timm's pre-norm block, with each residual branch computed only for the samples that keep it.

    Args:
        num_tokens: of the result, the first ones; None for all.
    """
    x = add_residual(x, lambda y: block.ls1(block.attn(block.norm1(y))), kept_attention)
    x = x[:, :num_tokens]
    return add_residual(x, lambda y: block.ls2(block.mlp(block.norm2(y))), kept_mlp)


def _kept(drop_path: nn.Module) -> Kept | None:
    return drop_path.kept if isinstance(drop_path, AddressedDropPath) and drop_path.training else None


def interpolate_position_embedding(
    position_embedding: Tensor, height: int, width: int, *, num_prefix: int = 1
) -> Tensor:
    """Resample a position embedding to a grid of `height` x `width` patches: bicubic, without antialiasing.

    Args:
        position_embedding: [1, prefix + native patches, dim]; the prefix rows ([CLS], registers) stay unchanged.

    Returns:
        [1, prefix + height * width, dim]; the input itself at the native size.
    """
    native = math.isqrt(position_embedding.shape[1] - num_prefix)
    if (height, width) == (native, native):
        return position_embedding
    prefix, patches = position_embedding[:, :num_prefix], position_embedding[:, num_prefix:]
    grid = patches.unflatten(1, (native, native)).permute(0, 3, 1, 2)  # [1, dim, native, native]
    scale = ((height + _ROUNDING_OFFSET) / native, (width + _ROUNDING_OFFSET) / native)
    resampled = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    return torch.cat([prefix, resampled.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
