"""Build the backbone that a configuration names."""

import difflib
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import timm
from torch import nn

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.backbones.pooled import PooledBackbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone

Backbone = ViTBackbone | PooledBackbone
_PLUG_INS = "dino_pipeline.dino.core.models.backbones"


def build_backbone(config: BackboneConfig) -> Backbone:
    """Build a randomly initialised network without classifier.

    Raises:
        ValueError: timm does not know the name (the message lists similar ones), or the options do not fit the network.
    """
    _plug_ins()  # registers the networks that timm lacks
    if not timm.is_model(config.name):
        nearest = difflib.get_close_matches(config.name, timm.list_models(), n=5)
        raise ValueError(
            f"backbone.name: timm has no model {config.name!r}; similar names: {', '.join(nearest) or 'none'}"
        )
    options = {name: value for name, value in config.options.items() if value is not None}
    if "vit_" in config.name:
        options["dynamic_img_size"] = True  # patches come as a grid of any size
    if config.drop_path_rate > 0:
        options["drop_path_rate"] = config.drop_path_rate
    try:
        model = timm.create_model(config.name, pretrained=False, num_classes=0, **options)
    except (TypeError, ValueError, ArithmeticError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"backbone.options do not fit {config.name}: {reason}; they are {config.options}: change or remove "
            "the option in question"
        ) from error
    return _adapter(model)(model)


def _adapter(model: nn.Module) -> type[Backbone]:
    """The first adapter whose `fits` is true; otherwise the adapter for pooled output."""
    adapters = (value for module in _plug_ins() for value in vars(module).values())
    return next((value for value in adapters if hasattr(value, "fits") and value.fits(model)), PooledBackbone)


@cache
def _plug_ins() -> list[ModuleType]:
    """The modules of backbones/."""
    files = sorted((Path(__file__).parent / "backbones").glob("*.py"))
    return [import_module(f"{_PLUG_INS}.{file.stem}") for file in files if file.stem != "__init__"]
