"""The backbones that the paper's authors published, with their accuracies.

https://github.com/facebookresearch/dino: hubconf.py has the networks, README.md the numbers.
"""

from typing import NamedTuple

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig


class OfficialBackbone(NamedTuple):
    """A published network. Accuracies are top-1 percent on ImageNet's validation set, as published."""

    title: str
    timm_name: str  # timm's network of the same shape
    knn: float
    linear: float

    @property
    def config(self) -> BackboneConfig:
        return BackboneConfig(name=self.timm_name, options={}, drop_path_rate=0.0)


OFFICIAL_BACKBONES = (
    OfficialBackbone("ViT-S/16", "vit_small_patch16_224", knn=74.5, linear=77.0),
    OfficialBackbone("ViT-S/8", "vit_small_patch8_224", knn=78.3, linear=79.7),
    OfficialBackbone("ViT-B/16", "vit_base_patch16_224", knn=76.1, linear=78.2),
    OfficialBackbone("ViT-B/8", "vit_base_patch8_224", knn=77.4, linear=80.1),
    OfficialBackbone("ResNet-50", "resnet50", knn=67.5, linear=75.3),
    OfficialBackbone("XCiT-S12/16", "xcit_small_12_p16_224", knn=76.0, linear=77.8),
    OfficialBackbone("XCiT-S12/8", "xcit_small_12_p8_224", knn=77.1, linear=79.2),
    OfficialBackbone("XCiT-M24/16", "xcit_medium_24_p16_224", knn=76.4, linear=78.8),
    OfficialBackbone("XCiT-M24/8", "xcit_medium_24_p8_224", knn=77.9, linear=80.3),
)


OFFICIAL_CONFIGS = tuple(known.config for known in OFFICIAL_BACKBONES)


def official_backbone(timm_name: str) -> OfficialBackbone | None:
    """The published network with this timm name, or None."""
    return next((known for known in OFFICIAL_BACKBONES if known.timm_name == timm_name), None)
