"""ConvNets in bfloat16 on a CPU have float32's gradients, within what rounding and batch norm make of 8 bits."""

import pytest
import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig


def gradients(network: nn.Module, images: Tensor, *, half: bool) -> dict[str, Tensor]:
    network.zero_grad()
    # A kernel that reads memory it has not written would find large numbers there.
    for size in (10, 14, 18, 21):
        torch.full((2**size,), 3e20)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        features = network(images)
    features.float().square().mean().backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", ["resnet10t", "whitened_convnet"])
@pytest.mark.parametrize("size", [16, 32])
def test_gradients_are_those_of_float32(name: str, size: int) -> None:
    torch.manual_seed(0)
    config = from_dict(BackboneConfig, {"name": name, "options": {}, "drop_path_rate": 0.0})
    network = build_backbone(config)
    for images in torch.randn(3, 64, 3, size, size):
        half, full = (gradients(network, images, half=half) for half in (True, False))
        assert half.keys() == full.keys()
        for parameter, expected in full.items():
            assert (half[parameter] - expected).norm() <= 0.5 * expected.norm(), parameter
