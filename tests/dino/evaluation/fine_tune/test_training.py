"""Learning rates of layers, worked by hand."""

import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.fine_tune.training import Classifier, layer_groups

# Half for each layer before the classifier: block 1 with the final norm, block 0, the embeddings.
VIT_BY_HAND = {
    "head.weight": 1.0,
    "head.bias": 1.0,
    "backbone.model.norm.weight": 0.5,
    "backbone.model.blocks.1.mlp.fc2.weight": 0.5,
    "backbone.model.blocks.1.norm1.bias": 0.5,
    "backbone.model.blocks.0.attn.qkv.weight": 0.25,
    "backbone.model.patch_embed.proj.weight": 0.125,
    "backbone.model.cls_token": 0.125,
    "backbone.model.pos_embed": 0.125,
}


def groups_by_name(name, options, layer_decay=0.5):
    backbone = build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0))
    classifier = Classifier(backbone, num_classes=3, seed=0)
    names = {id(parameter): name for name, parameter in classifier.named_parameters()}
    groups = layer_groups(classifier, layer_decay=layer_decay, weight_decay=0.05)
    found = [(names[id(p)], group) for group in groups for p in group["params"]]
    assert sorted(name for name, _ in found) == sorted(names.values())  # each once
    return dict(found)


def test_a_vits_multipliers_are_those_worked_by_hand(easy):
    groups = groups_by_name(easy.architecture.name, easy.architecture.options)
    assert {name: groups[name]["lr_scale"] for name in VIT_BY_HAND} == VIT_BY_HAND


def test_biases_norms_and_embeddings_are_not_weight_decayed(easy):
    groups = groups_by_name(easy.architecture.name, easy.architecture.options)
    decayed = {name for name, group in groups.items() if group["weight_decay"]}
    assert "head.weight" in decayed
    assert "backbone.model.patch_embed.proj.weight" in decayed
    plain = {
        "head.bias",
        "backbone.model.norm.weight",
        "backbone.model.cls_token",
        "backbone.model.pos_embed",
    }
    assert not decayed & plain


def test_a_convnets_stem_learns_slowest_and_its_last_stage_half_as_fast_as_the_classifier():
    groups = groups_by_name("resnet10t", {})
    scales = {name: group["lr_scale"] for name, group in groups.items()}
    assert scales["backbone.model.layer4.0.conv1.weight"] == 0.5
    assert scales["backbone.model.layer1.0.conv1.weight"] == 0.5**4
    assert scales["backbone.model.conv1.0.weight"] == 0.5**5


def test_no_decay_leaves_all_layers_alike(easy):
    groups = groups_by_name(easy.architecture.name, easy.architecture.options, layer_decay=1.0)
    assert {group["lr_scale"] for group in groups.values()} == {1.0}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_classifier_starts_by_its_seed_alone(easy, seed):
    backbone = build_backbone(easy.architecture)
    heads = []
    for noise in (7, 8):
        torch.manual_seed(noise)
        heads.append(Classifier(backbone, num_classes=3, seed=seed).head.weight)
    assert torch.equal(*heads)
