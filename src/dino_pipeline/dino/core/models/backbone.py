"""Build the backbone that a configuration names."""

import difflib

import timm
from timm.models import register_model
from timm.models.vision_transformer import Block, VisionTransformer

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.backbones.pooled import PooledBackbone
from dino_pipeline.dino.core.models.backbones.small_stem_resnet import (
    resnet18_small_stem,
    resnet50_small_stem,
)
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone

Backbone = ViTBackbone | PooledBackbone

for small_stem in (resnet18_small_stem, resnet50_small_stem):
    register_model(small_stem)  # beside timm's own, by its function's name


def build_backbone(config: BackboneConfig) -> Backbone:
    """A randomly initialised network without classifier.

    Raises:
        ValueError: for a name timm does not know, with the nearest ones, or options that do not fit it.
    """
    if not timm.is_model(config.name):
        nearest = difflib.get_close_matches(config.name, timm.list_models(), n=5)
        raise ValueError(
            f"backbone.name: timm knows no model {config.name!r}; nearest names: {', '.join(nearest) or 'none'}"
        )
    options = {name: value for name, value in config.options.items() if value is not None}
    if "vit_" in config.name:
        options["dynamic_img_size"] = True  # patches come as a grid, of any size
    if config.drop_path_rate > 0:
        options["drop_path_rate"] = config.drop_path_rate
    try:
        model = timm.create_model(config.name, pretrained=False, num_classes=0, **options)
    except (TypeError, ValueError, ArithmeticError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"backbone.options do not fit {config.name}: {reason}; they are {config.options}: change or leave out "
            "the one that is named"
        ) from error
    is_plain_vit = type(model) is VisionTransformer and all(type(block) is Block for block in model.blocks)
    return ViTBackbone(model) if is_plain_vit else PooledBackbone(model)
