"""The nearest rows against all products in float64, in the path of bfloat16 and beside it."""

import pytest
import torch
from torch.nn import functional as F

from dino_pipeline.dino.metrics import nearest
from dino_pipeline.dino.metrics.nearest import Bank

K = 20


def unit(rows: int, *, seed: int, spread: float = 1.0) -> torch.Tensor:
    """Around one direction, the nearer the smaller `spread` is."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.ones(16) + spread * torch.randn(rows, 16, generator=generator), dim=1)


@pytest.fixture(params=[True, False], ids=["bfloat16", "full"])
def in_bfloat16(request, monkeypatch):
    # where it is emulated the numbers are the same
    monkeypatch.setattr(nearest, "multiplies_bfloat16", lambda _device: request.param)
    return request.param


@pytest.mark.usefixtures("in_bfloat16")
@pytest.mark.parametrize("spread", [1.0, 0.01], ids=["apart", "nearly one direction"])
def test_neighbours_and_cosines_are_those_of_all_products(spread):
    rows, queries = unit(900, seed=0, spread=spread), unit(70, seed=1, spread=spread)
    similarities, positions = Bank(rows, chunk=128).nearest(queries, K)
    exact = queries.double() @ rows.double().T
    expected = exact.topk(K, dim=1).values
    torch.testing.assert_close(similarities.double(), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(exact.gather(1, positions), expected, atol=1e-6, rtol=0)


def test_rows_that_bfloat16_cannot_tell_apart_are_searched_again(in_bfloat16, monkeypatch):
    searched = []
    search = nearest._search
    monkeypatch.setattr(nearest, "_search", lambda q, *rest: searched.append(q.dtype) or search(q, *rest))
    Bank(unit(900, seed=0, spread=1e-4), chunk=1000).nearest(unit(5, seed=1), K)
    assert searched == ([torch.bfloat16, torch.float32] if in_bfloat16 else [torch.float32])


@pytest.mark.usefixtures("in_bfloat16")
def test_a_bank_no_longer_than_a_shortlist_is_searched_whole():
    similarities, positions = Bank(unit(7, seed=0), chunk=4).nearest(unit(3, seed=1), K)
    assert similarities.shape == positions.shape == (3, 7)


@pytest.mark.parametrize("k", [1, 99, 100, 101, 1600])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_largest_are_those_of_a_sorted_column(k, dtype):
    products = torch.randn(1600, 13, generator=torch.Generator().manual_seed(0)).to(dtype)
    products[:, 3] = -1.0  # all alike
    products[-k:, 4] = 9.0
    values, places = nearest._largest(products, k)
    assert torch.equal(values, products.sort(dim=0, descending=True).values[:k].T)
    assert torch.equal(products.gather(0, places.T), values.T)
    assert all(len(set(line.tolist())) == k for line in places)


@pytest.mark.usefixtures("in_bfloat16")
@pytest.mark.parametrize(("rows", "chunk"), [(5000, 2400), (5000, 4801), (2407, 2407)])
def test_chunks_that_are_no_whole_groups_lose_nothing(rows, chunk):
    bank, queries = unit(rows, seed=0), -unit(9, seed=1)  # all similarities below zero
    similarities, positions = Bank(bank, chunk=chunk).nearest(queries, K)
    exact = (queries.double() @ bank.double().T).topk(K, dim=1)
    torch.testing.assert_close(similarities.double(), exact.values, atol=1e-6, rtol=0)
    assert torch.equal(positions, exact.indices)
