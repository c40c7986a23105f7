"""Descriptors over scales against the same steps taken image by image."""

import pytest
import torch
from torch.nn import functional as F

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.retrieval.search import multi_scale_descriptor

SCALES = [1.0, 0.5**0.5, 0.5]
VIT = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}


def built(name, options):
    torch.manual_seed(0)
    return build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()


@pytest.mark.parametrize(
    ("name", "options", "patch"), [("vit_tiny_patch16_224", VIT, 4), ("resnet10t", {}, 1)]
)
@torch.no_grad()
def test_the_mean_over_scales_is_a_unit_vector(name, options, patch):
    backbone = built(name, options)
    images = torch.randn(3, 3, 34, 43, generator=torch.Generator().manual_seed(1))
    found = multi_scale_descriptor(backbone, images, scales=SCALES)
    for image, descriptor in zip(images, found, strict=True):
        features = []
        for scale in SCALES:
            scaled = (
                F.interpolate(image[None], scale_factor=scale, mode="bilinear") if scale < 1 else image[None]
            )
            height, width = (side // patch * patch for side in scaled.shape[-2:])
            features.append(backbone(scaled[:, :, :height, :width])[0])
        mean = sum(features) / len(SCALES)
        torch.testing.assert_close(descriptor, mean / mean.norm(), atol=1e-5, rtol=0)


def test_a_scale_that_leaves_less_than_a_patch_is_refused():
    with pytest.raises(ValueError, match=r"at scale 0\.1 an image has 3x3 px"):
        multi_scale_descriptor(
            built("vit_tiny_patch16_224", VIT), torch.zeros(1, 3, 32, 32), scales=[1.0, 0.1]
        )
