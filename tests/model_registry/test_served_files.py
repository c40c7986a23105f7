"""An exported program computes what the backbone computes, for any number of images."""

import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.model_registry.served_files import export_backbone

OPTIONS = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3}


@pytest.mark.parametrize(("name", "options"), [("vit_tiny_patch16_224", OPTIONS), ("resnet10t", {})])
def test_the_program_equals_the_backbone_for_any_number_of_images(tmp_path, name, options):
    backbone = build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()
    export_backbone(backbone, tmp_path / "backbone.pt2", crop=32, channels=3)
    program = torch.export.load(tmp_path / "backbone.pt2").module()
    for num_images in (1, 3):
        images = torch.randn(num_images, 3, 32, 32)
        with torch.no_grad():
            torch.testing.assert_close(program(images), backbone(images), atol=1e-5, rtol=1e-4)
