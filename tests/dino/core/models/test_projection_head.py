"""The head against the reference's weights, outputs and gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dino_pipeline.dino.core.models.projection_head import ProjectionHead, ProjectionHeadConfig


def config(**changes: object) -> ProjectionHeadConfig:
    values = {
        "num_prototypes": 40,
        "num_layers": 3,
        "hidden_dim": 32,
        "bottleneck_dim": 16,
        "activation": "gelu",
        "norm_last_layer": True,
        "batch_norm": False,
    }
    return ProjectionHeadConfig(**(values | changes))


@pytest.mark.golden
@pytest.mark.parametrize("case", [0, 1, 2])
def test_output_and_gradients_are_the_references(golden: Path, case: int) -> None:
    numbers = np.load(golden / f"head_case{case}.npz")
    weights = {
        k.removeprefix("weight/"): torch.from_numpy(numbers[k])
        for k in numbers.files
        if k.startswith("weight/")
    }
    num_prototypes = len(weights["last_layer.weight_g"])
    head = ProjectionHead(
        config(
            num_prototypes=num_prototypes,
            num_layers=int(numbers["n_layers"]),
            hidden_dim=int(numbers["hidden_dim"]),
            bottleneck_dim=int(numbers["bottleneck_dim"]),
            activation="gelu",
            norm_last_layer=bool(numbers["norm_last_layer"]),
        ),
        in_dim=numbers["input"].shape[1],
    ).double()
    head.load_state_dict(weights)
    features = torch.from_numpy(numbers["input"]).requires_grad_()
    output, _ = head(features)
    output.backward(torch.from_numpy(numbers["cotangent"]))
    np.testing.assert_allclose(output.detach(), numbers["output"], atol=1e-10)
    np.testing.assert_allclose(features.grad, numbers["input_grad"], atol=1e-10)
    renamed = {
        "last_layer.weight_g": "last_layer.parametrizations.weight.original0",
        "last_layer.weight_v": "last_layer.parametrizations.weight.original1",
    }
    gradients = {name: p.grad for name, p in head.named_parameters() if p.grad is not None}
    expected = {k.removeprefix("grad/"): numbers[k] for k in numbers.files if k.startswith("grad/")}
    assert {renamed.get(name, name) for name in expected} == set(gradients)
    for name, value in expected.items():
        np.testing.assert_allclose(gradients[renamed.get(name, name)], value, atol=1e-10, err_msg=name)


def test_normalised_prototypes_have_unit_length_and_no_gradient() -> None:
    layer = ProjectionHead(config(), in_dim=8).last_layer
    torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(40))
    assert not layer.parametrizations.weight.original0.requires_grad


def test_batch_norm_follows_every_hidden_layer() -> None:
    head = ProjectionHead(config(batch_norm=True), in_dim=8)
    assert [type(m) for m in head.mlp] == [
        nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear,
    ]  # fmt: skip


def test_without_a_bottleneck_the_mlp_gives_the_scores_and_nothing_is_normalised() -> None:
    head = ProjectionHead(config(bottleneck_dim=None), in_dim=8)
    assert [(m.in_features, m.out_features) for m in head.mlp if isinstance(m, nn.Linear)] == [
        (8, 32),
        (32, 32),
        (32, 40),
    ]
    assert head.last_layer is None
    features = torch.randn(5, 8)
    logits, embeddings = head(features)
    torch.testing.assert_close(logits, head.mlp(features))
    torch.testing.assert_close(embeddings, logits)


def test_a_head_that_gives_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"num_prototypes and bottleneck_dim are both null: set one"):
        config(num_prototypes=None, bottleneck_dim=None)
