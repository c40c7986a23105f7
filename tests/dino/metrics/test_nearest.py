"""The nearest rows against all products in float64, by candidates in bfloat16 and in float32, and by all products."""

import pytest
import torch
from torch.nn import functional as F

from dino_pipeline.dino.metrics import nearest
from dino_pipeline.dino.metrics.nearest import Bank

K = 20


def around(rows: int, *, seed: int, spread: float = 1.0) -> torch.Tensor:
    """Rows of any length around one direction, the nearer the smaller `spread` is."""
    generator = torch.Generator().manual_seed(seed)
    rows_around = torch.ones(16) + spread * torch.randn(rows, 16, generator=generator)
    return rows_around * (0.1 + torch.rand(rows, 1, generator=generator))


def cosines(queries: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return F.normalize(queries.double(), dim=1) @ F.normalize(rows.double(), dim=1).T


@pytest.fixture(params=[True, False], ids=["bfloat16", "float32"])
def in_bfloat16(request, monkeypatch):
    # where it is emulated the numbers are the same
    monkeypatch.setattr(nearest, "multiplies_bfloat16", lambda _device: request.param)
    return request.param


@pytest.fixture
def searches(monkeypatch):
    """By what each search went, and for how many queries."""
    called = []
    by_candidates, by_all = Bank._by_candidates, Bank._by_all_products

    def candidates(bank, queries, k, precision):
        called.append((precision, len(queries)))
        return by_candidates(bank, queries, k, precision)

    def all_products(bank, queries, k):
        called.append(("all", len(queries)))
        return by_all(bank, queries, k)

    monkeypatch.setattr(Bank, "_by_candidates", candidates)
    monkeypatch.setattr(Bank, "_by_all_products", all_products)
    return called


@pytest.mark.usefixtures("in_bfloat16")
@pytest.mark.parametrize("sign", [1, -1], ids=["all above zero", "all below zero"])
@pytest.mark.parametrize("spread", [1.0, 0.01], ids=["apart", "nearly one direction"])
@pytest.mark.parametrize(("rows", "at_once"), [(900, 900), (5000, 1024), (5000, 2400), (2407, 2399)])
def test_neighbours_and_cosines_are_those_of_all_products(rows, at_once, spread, sign, monkeypatch):
    monkeypatch.setattr(nearest, "_ROWS", at_once)
    monkeypatch.setattr(nearest, "_QUERIES", 32)
    bank, queries = around(rows, seed=0, spread=spread), sign * around(70, seed=1, spread=spread)
    similarities, positions = Bank(bank).nearest(queries, K)
    exact = cosines(queries, bank)
    expected = exact.topk(K, dim=1).values
    torch.testing.assert_close(similarities.double(), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(exact.gather(1, positions), expected, atol=1e-6, rtol=0)
    assert all(len(set(line.tolist())) == K for line in positions)


def test_a_sample_tells_where_to_cut_and_the_first_search_proves_every_query(
    in_bfloat16, searches, monkeypatch
):
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    generator = torch.Generator().manual_seed(0)
    rows, queries = torch.randn(20_000, 64, generator=generator), torch.randn(70, 64, generator=generator)
    positions = Bank(rows).nearest(queries, K)[1]
    assert searches == [(torch.bfloat16 if in_bfloat16 else torch.float32, 70)]
    assert torch.equal(positions, cosines(queries, rows).topk(K, dim=1).indices)


def test_rows_in_the_order_of_their_classes_need_no_second_search(in_bfloat16, searches, monkeypatch):
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(100, 64, generator=generator)
    rows = centers.repeat_interleave(200, dim=0) + torch.randn(20_000, 64, generator=generator)
    queries = centers[::10] + torch.randn(10, 64, generator=generator)
    positions = Bank(rows).nearest(queries, K)[1]
    assert searches == [(torch.bfloat16 if in_bfloat16 else torch.float32, 10)]
    assert torch.equal(positions, cosines(queries, rows).topk(K, dim=1).indices)


@pytest.mark.usefixtures("in_bfloat16")
def test_equal_rows_come_by_position(monkeypatch):
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    generator = torch.Generator().manual_seed(0)
    once, queries = torch.randn(600, 64, generator=generator), torch.randn(9, 64, generator=generator)
    positions = Bank(once.repeat(7, 1)).nearest(queries, K)[1]  # seven of each row
    best = cosines(queries, once).topk(3, dim=1).indices
    copies = best[:, :, None] + 600 * torch.arange(7)
    assert torch.equal(positions, copies.flatten(1)[:, :K])


def test_a_bank_of_one_row_again_and_again_gives_the_first_ones(in_bfloat16, searches, monkeypatch):
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    similarities, positions = Bank(torch.ones(9000, 16)).nearest(torch.ones(2, 16), K)
    assert positions.tolist() == 2 * [list(range(K))]
    torch.testing.assert_close(similarities, torch.ones(2, K))
    by = [precision for precision, _ in searches]
    assert by == ([torch.bfloat16] if in_bfloat16 else []) + [torch.float32, "all"]


def test_rows_that_bfloat16_cannot_tell_apart_are_searched_again(in_bfloat16, searches, monkeypatch):
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    rows, queries = around(20_000, seed=0, spread=0.003), around(5, seed=1, spread=1.0)
    similarities = Bank(rows).nearest(queries, K)[0]
    assert (searches[0][0], len(searches) > 1) == (
        (torch.bfloat16, True) if in_bfloat16 else (torch.float32, False)
    )
    expected = cosines(queries, rows).topk(K, dim=1).values
    torch.testing.assert_close(similarities.double(), expected, atol=1e-6, rtol=0)


def test_a_query_whose_cut_is_too_high_is_not_proven(monkeypatch):
    monkeypatch.setattr(nearest, "_rank", lambda *_: 1)  # too few rows reach the sample's best
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    rows, queries = around(5000, seed=0), around(70, seed=1)
    *_, proven = Bank(rows)._by_candidates(F.normalize(queries, dim=1), K, torch.float32)
    assert not proven.all()
    assert torch.equal(Bank(rows).nearest(queries, K)[1], cosines(queries, rows).topk(K, dim=1).indices)


@pytest.mark.usefixtures("in_bfloat16")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_bank_no_longer_than_k_is_searched_whole(dtype):
    similarities, positions = Bank(around(7, seed=0).to(dtype)).nearest(around(3, seed=1), 9)
    assert similarities.shape == positions.shape == (3, 7)
    assert similarities.dtype == dtype
    assert positions.sort(dim=1).values.tolist() == 3 * [list(range(7))]


def test_no_query_finds_nothing():
    similarities, positions = Bank(around(900, seed=0)).nearest(torch.empty(0, 16), K)
    assert similarities.shape == positions.shape == (0, K)


@pytest.mark.usefixtures("in_bfloat16")
def test_not_a_number_does_not_stop_the_search(monkeypatch):
    monkeypatch.setattr(nearest, "_ROWS", 1024)
    rows, queries = around(5000, seed=0), around(3, seed=1)
    rows[17], queries[1] = torch.nan, torch.nan
    similarities, positions = Bank(rows).nearest(queries, K)
    assert similarities[0, 0].isnan()
    assert positions[0, 0] == 17
    assert similarities[1].isnan().all()


@pytest.mark.parametrize("k", [1, 3, 7])
def test_the_largest_are_those_of_a_stable_sort(k):
    values = torch.randint(4, (50, 7), generator=torch.Generator().manual_seed(0)).float()
    expected = values.sort(dim=1, descending=True, stable=True)
    found, places = nearest._largest(values, k)
    assert torch.equal(found, expected.values[:, :k])
    assert torch.equal(places, expected.indices[:, :k])
