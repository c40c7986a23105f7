"""The network, and its head."""

from typing import Any

from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.writing import Choice


def backbone(n: int, size: int, patch: int, *, has_gpu: bool) -> list[Choice]:
    """A ViT to the measure of images and hardware."""
    options: dict[str, Any] = {"img_size": size, "patch_size": patch}
    if not has_gpu:
        name, drop_path, why = (
            "vit_tiny_patch16_224",
            0.0,
            "No GPU: a ViT of a million parameters, for hours and not weeks.",
        )
        options |= {"embed_dim": 128, "depth": 4, "num_heads": 4}
    elif n < rules.SMALL or size <= 64:
        name, drop_path, why = (
            "vit_tiny_patch16_224",
            0.0,
            "ViT-Ti (5 million parameters) below 20,000 or for small images.",
        )
        options |= {"embed_dim": 192, "depth": 12, "num_heads": 3}
    else:
        name, drop_path, why = (
            "vit_small_patch16_224",
            0.1,
            "ViT-S (21 million parameters), the paper's smallest.",
        )
        options |= {"embed_dim": 384, "depth": 12, "num_heads": 6}
    return [
        Choice("pretrain.backbone.name", name, why),
        Choice(
            "pretrain.backbone.options",
            options,
            f"Patches of {patch} px make {(size // patch) ** 2} of a global crop.",
        ),
        Choice("pretrain.backbone.drop_path_rate", drop_path),
    ]


def head(*, has_gpu: bool) -> list[Choice]:
    """The projection head; its prototypes depend on the number of images alone."""
    why = "The paper's head." if has_gpu else "A head to the backbone's measure."
    norm = (
        "ViTs go without (paper)."
        if has_gpu
        else "The paper's ViTs go without; the demo's short runs go with it."
    )
    return [
        Choice("pretrain.projection_head.hidden_dim", 2048 if has_gpu else 512, why),
        Choice("pretrain.projection_head.bottleneck_dim", 256 if has_gpu else 128),
        Choice("pretrain.projection_head.norm_last_layer", True, "The stable choice (paper)."),
        Choice("pretrain.projection_head.batch_norm", not has_gpu, norm),
    ]
