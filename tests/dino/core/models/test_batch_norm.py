"""Batch norm over all processes; alone it is torch's own. (Over two: tests/dino/training/test_run.py.)"""

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from dino_pipeline.dino.core import distributed
from dino_pipeline.dino.core.models import batch_norm
from dino_pipeline.dino.core.models.batch_norm import GlobalBatchNorm, globalize_batch_norm


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3, 5)])
def test_its_own_arithmetic_is_torchs(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(4).double()
    nn.init.normal_(theirs.weight), nn.init.normal_(theirs.bias)
    ours = copy.deepcopy(theirs)
    globalize_batch_norm(ours := nn.Sequential(ours))
    # Two processes that hold the same batch: sums double, statistics stay.
    monkeypatch.setattr(batch_norm, "world_size", lambda: 2)
    monkeypatch.setattr(batch_norm, "differentiable_sum", lambda x: 2 * x)
    x = torch.randn(shape, dtype=torch.float64)
    mine, yours = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours(mine).square().sum().backward()
    theirs(yours).square().sum().backward()
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(mine.grad, yours.grad)
    torch.testing.assert_close(ours[0].running_mean, theirs.running_mean)
    assert ours[0].num_batches_tracked == theirs.num_batches_tracked == 2


def test_names_and_values_stay_and_evaluation_uses_the_running_statistics() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = copy.deepcopy(network)
    globalize_batch_norm(network)
    assert type(network[1]) is GlobalBatchNorm
    assert list(network.state_dict()) == list(before.state_dict())
    x = torch.randn(5, 3)
    assert torch.equal(network.eval()(x), before.eval()(x))
    assert torch.equal(network.train()(x), before.train()(x))


def test_a_kind_that_would_stay_local_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"1 is a BatchNormAct2d.*one process"):
        globalize_batch_norm(nn.Sequential(nn.Conv2d(3, 4, 1), BatchNormAct2d(4)))


def test_alone_sums_and_gathers_are_identities() -> None:
    x = torch.randn(3, 2)
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.differentiable_sum(x) is x
    assert distributed.gather_rows(x, num_rows=3) is x
    assert distributed.any_process(True)
    assert not distributed.any_process(False)
