"""Supervised weights: taken whole, or refused by name."""

import pytest
import torch
from safetensors.torch import save_file

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.evaluation.fine_tune.supervised import load_supervised


@pytest.fixture
def backbone(easy):
    return build_backbone(easy.architecture)


@pytest.fixture
def weights(easy):
    torch.manual_seed(9)
    network = build_backbone(easy.architecture).model
    return {**network.state_dict(), "head.weight": torch.ones(10, 24), "head.bias": torch.ones(10)}


def assert_loaded(backbone, weights):
    for name, value in backbone.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_safetensors_with_a_classifier(backbone, weights, tmp_path):
    save_file(weights, tmp_path / "net.safetensors")
    load_supervised(tmp_path / "net.safetensors", backbone)
    assert_loaded(backbone, weights)


@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone.", "backbone.model."])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_a_pth_as_training_scripts_write_it(backbone, weights, tmp_path, prefix, wrapper):
    content = {prefix + name: value for name, value in weights.items()}
    torch.save({wrapper: content, "epoch": 3} if wrapper else content, tmp_path / "net.pth")
    load_supervised(tmp_path / "net.pth", backbone)
    assert_loaded(backbone, weights)


def test_what_does_not_fit_is_listed_and_nothing_is_loaded(backbone, weights, tmp_path):
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    del weights["norm.bias"]
    weights["blocks.2.norm1.weight"] = torch.ones(24)
    weights["cls_token"] = torch.ones(1, 1, 32)
    torch.save(weights, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="does not fit") as caught:
        load_supervised(tmp_path / "net.pth", backbone)
    for fault in (
        "lacks norm.bias",
        "has blocks.2.norm1.weight, which the network lacks",
        "cls_token is [1, 1, 32] instead of [1, 1, 24]",
    ):
        assert fault in str(caught.value)
    assert_loaded(backbone, before)


class Harmful:
    def __reduce__(self):
        return print, ("executed",)


def test_a_file_that_would_execute_something_is_refused(backbone, tmp_path, capsys):
    torch.save({"model": Harmful()}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="is not a file of tensors"):
        load_supervised(tmp_path / "net.pth", backbone)
    assert "executed" not in capsys.readouterr().out


def test_a_damaged_safetensors_and_a_missing_file_are_named(backbone, tmp_path):
    (tmp_path / "net.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match=r"net\.safetensors is not a file of tensors"):
        load_supervised(tmp_path / "net.safetensors", backbone)
    with pytest.raises(ValueError, match=r"no\.pth does not exist"):
        load_supervised(tmp_path / "no.pth", backbone)
