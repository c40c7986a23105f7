"""The small ConvNet: its shapes, and that its whitening whitens and stays as it is."""

import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig


def build(**options):
    return build_backbone(BackboneConfig(name="whitened_convnet", options=options, drop_path_rate=0.0))


def test_shapes_at_the_sizes_of_global_and_local_crops():
    network = build(width=64)
    assert network.num_features == 64
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 64)
    assert network.patch_tokens(torch.zeros(2, 3, 32, 32)).shape == (2, 3, 3, 64)
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 64)
    assert build(in_chans=1)(torch.zeros(1, 1, 28, 28)).shape == (1, 128)


def test_it_has_half_a_million_weights_at_its_usual_width():
    first, second, third = 24 * 32 * 9 + 32 * 32 * 9, 32 * 128 * 9 + 128 * 128 * 9, 2 * 128 * 128 * 9
    assert sum(p.numel() for p in build().parameters()) == first + second + third + 2 * 2 * (32 + 128 + 128)


def test_the_whitening_is_the_given_matrix_and_its_opposite_and_is_not_trained():
    matrix = torch.arange(16.0).view(4, 4)
    network = build(in_chans=1, whitening=tuple(matrix.flatten().tolist()))
    patch = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    seen = torch.nn.functional.conv2d(patch, network.model.whitening).flatten()
    expected = matrix @ torch.tensor([1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(seen, torch.cat([expected, -expected]))
    assert "whitening" in dict(network.model.named_buffers())


def test_a_matrix_of_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"whitening has 16 numbers; patches of 3 channels need 144"):
        build(whitening=(0.0,) * 16)


def test_options_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"backbone\.options do not fit whitened_convnet"):
        build(depth=3)
