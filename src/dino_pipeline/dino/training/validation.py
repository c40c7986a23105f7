"""Checks that need parameters, data and machine together, before anything starts."""

import logging
from collections.abc import Mapping

import torch

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.losses.loss import build_loss, loss_class
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import HISTORY_COLUMNS

logger = logging.getLogger(__name__)


def check(
    config: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    manifest: Manifest,
    *,
    num_processes: int | None,
) -> None:
    """Raise an error if a training cannot run.

    Args:
        num_processes: None for a training on another machine; checks that depend on the machine are then skipped.

    Raises:
        ValueError: the message names the parameter, its value and the remedy.
    """
    num_images = len(manifest.split("train"))
    if num_images < 2:
        raise ValueError(
            f"ingest.source gives {num_images} training image(s), but DINO learns from differences between "
            "images: give two or more, or lower ingest.validation_fraction and ingest.test_fraction"
        )
    if config.batch_size > num_images:
        raise ValueError(
            f"pretrain.batch_size is {config.batch_size}, but there are only {num_images} training images: set it "
            f"to {num_images} or less"
        )
    if num_processes and config.batch_size % num_processes:
        raise ValueError(
            f"pretrain.batch_size is {config.batch_size}, which {num_processes} processes cannot share equally: "
            f"set it to a multiple of {num_processes}"
        )
    own = config.batch_size // (num_processes or 1)
    if own % config.accumulation_steps:
        raise ValueError(
            f"pretrain.accumulation_steps is {config.accumulation_steps}, but each process has {own} images, "
            f"which cannot be divided equally: set it to a divisor of {own}"
        )
    if config.projection_head.batch_norm and config.batch_size < 2:
        raise ValueError(
            f"pretrain.projection_head.batch_norm is true, but pretrain.batch_size is {config.batch_size}: set "
            "batch_size to 2 or more, or batch_norm to false"
        )
    _check_loss(config, manifest)
    _check_labels(config, manifest)
    _check_frozen_teacher(config, monitoring)
    with torch.device("meta"):  # shapes without memory
        backbone = build_backbone(config.network)
    is_bf16_here = num_processes is not None and config.precision == "bf16"
    if is_bf16_here and not multiplies_bfloat16("cuda" if torch.cuda.is_available() else "cpu"):
        # Only a warning, because a training started on another machine may have to continue on this one.
        logger.warning(
            "pretrain.precision is bf16, but this machine has no instructions for it, so a step takes many times "
            "as long as in float32: set it to fp32"
        )
    if launch.shard_weights and config.precision == "fp16":
        raise ValueError(
            "launch.shard_weights is true, but it does not support the gradient scaling of pretrain.precision "
            "fp16: set precision to bf16, or shard_weights to false"
        )
    if (
        launch.gradient_checkpointing
        and config.backbone.drop_path_rate
        and not isinstance(backbone, ViTBackbone)
    ):
        raise ValueError(
            "launch.gradient_checkpointing is true, but would drop other paths when it recomputes this backbone "
            f"(pretrain.backbone.drop_path_rate is {config.backbone.drop_path_rate:g}): set "
            "pretrain.backbone.drop_path_rate to 0, or use a ViT"
        )
    check_whole_patches(
        backbone,
        {
            "pretrain.multi_crop.global_crop_size": config.multi_crop.global_crop_size,
            "pretrain.multi_crop.local_crop_size": config.multi_crop.local_crop_size,
            "monitoring.crop": monitoring.crop,
        },
    )


def check_whole_patches(backbone: Backbone, sizes: Mapping[str, int]) -> None:
    """Raise an error for image sizes that a ViT cannot cut into whole patches.

    Args:
        sizes: side in pixels by the parameter's name.

    Raises:
        ValueError: the message names the parameter, its value and the remedy.
    """
    if not isinstance(backbone, ViTBackbone):
        return
    patch = backbone.model.patch_embed.patch_size[0]
    for name, size in sizes.items():
        if size % patch:
            nearest = max(patch, round(size / patch) * patch)
            raise ValueError(
                f"{name} is {size}, which is not a multiple of the ViT's patch of {patch}: set it to {nearest}"
            )


def _check_frozen_teacher(config: PretrainConfig, monitoring: MonitoringConfig) -> None:
    if config.frozen_teacher is None:
        return
    with torch.device("meta"):  # shapes without memory
        teacher = build_backbone(config.frozen_teacher)
    if config.projection_head.num_logits != teacher.num_features:
        raise ValueError(
            f"pretrain.projection_head gives {config.projection_head.num_logits} logits, but the features of "
            f"pretrain.teacher.backbone {config.frozen_teacher.name} have {teacher.num_features} dimensions: set "
            f"bottleneck_dim to {teacher.num_features}, and num_prototypes to null"
        )
    # The teacher processes global crops and the images of online evaluation.
    check_whole_patches(
        teacher,
        {
            "pretrain.multi_crop.global_crop_size": config.multi_crop.global_crop_size,
            "monitoring.crop": monitoring.crop,
        },
    )


def _check_loss(config: PretrainConfig, manifest: Manifest) -> None:
    loss = build_loss(config.loss, config.projection_head.num_logits, root=manifest.root)  # its options, too
    taken = set(loss.metrics) & (set(HISTORY_COLUMNS) - {"teacher_entropy", "kl"})  # which are for losses
    if taken:
        raise ValueError(
            f"pretrain.loss.name is {config.loss.name}, whose metrics {', '.join(sorted(taken))} are already "
            "columns of history.csv: rename them"
        )


def _check_labels(config: PretrainConfig, manifest: Manifest) -> None:
    if not loss_class(config.loss.name, root=manifest.root).needs_labels:
        return
    train = manifest.split("train")
    if not train.is_labelled:
        raise ValueError(
            f"pretrain.loss.name is {config.loss.name}, but not every training image has a label: set it to dino, "
            "which needs none, or give labels through ingest.source"
        )
    num_classes, num_logits = len(train.class_names), config.projection_head.num_logits
    if num_logits < num_classes:
        raise ValueError(
            f"pretrain.projection_head gives {num_logits} logits, but pretrain.loss.name {config.loss.name} needs "
            f"one for each of {num_classes} classes: set bottleneck_dim to {num_classes}, and num_prototypes to "
            "null"
        )
