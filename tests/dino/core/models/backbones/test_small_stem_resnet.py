"""The ResNet of CIFAR-10 keeps its resolution to the first stage, and is otherwise timm's."""

import timm
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig


def build(name="resnet18_small_stem", **options):
    return build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0))


def test_a_map_of_4_by_4_is_left_of_32_px():
    network = build()
    images = torch.zeros(2, 3, 32, 32)
    assert network(images).shape == (2, 512)
    assert network.patch_tokens(images).shape == (2, 4, 4, 512)


def test_only_the_stem_differs_from_timms():
    ours = {name: value.shape for name, value in build().model.state_dict().items()}
    theirs = timm.create_model("resnet18", num_classes=0).state_dict()
    assert ours == {name: value.shape for name, value in theirs.items()} | {"conv1.weight": (64, 3, 3, 3)}
    assert sum(p.numel() for p in build().parameters()) == 11_168_832, (
        "11.17 million, as in SimCLR's followers"
    )


def test_it_takes_other_channels():
    assert build(in_chans=5)(torch.zeros(1, 5, 32, 32)).shape == (1, 512)


def test_the_larger_one_has_resnet_50s_width_at_the_same_resolution():
    network = build("resnet50_small_stem")
    assert network.patch_tokens(torch.zeros(1, 3, 32, 32)).shape == (1, 4, 4, 2048)
    theirs = timm.create_model("resnet50", num_classes=0)
    difference = sum(p.numel() for p in theirs.parameters()) - sum(p.numel() for p in network.parameters())
    assert difference == 64 * 3 * (7 * 7 - 3 * 3)
