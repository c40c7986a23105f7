"""Exact search for the nearest rows of a bank by cosine, at the speed of bfloat16 where the hardware multiplies it.

A product of the whole bank with the queries, in the fastest precision, gives rough similarities s~. A row whose s~
reaches a query's cut is a candidate, and only candidates are multiplied in float32. The rounding errors prove that no
better row is missing:

    |s~ - s| <= |q - q~| + max |b - b~| + rounding of s~       for unit vectors q and b, by Cauchy-Schwarz

So no other row exceeds the cut plus that bound. A sample of the bank says where to cut so that k rows pass for nearly
every query. A query whose k-th similarity is below cut plus bound is searched again, at last by all its products.
"""

import warnings
from collections.abc import Callable, Iterator
from math import inf, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16

_ROWS = 8192  # multiplied at once; rows, their short copy and the products stay in the processor's cache
_QUERIES = 1024  # multiplied at once
_GROUP = 16  # rows of products whose largest is compared first; a group is every n-th row
_NORMALISED_AT_ONCE = 1024  # rows
_CROWDED = 4  # times the expected candidates, above which a query leaves the search
_ROUNDING = {torch.bfloat16: 2.0**-8, torch.float32: 2.0**-24}  # relative

_Found = tuple[
    Tensor, Tensor, Tensor
]  # similarities, positions [queries, k], and which queries they are proven for


class Bank:
    """Vectors to search among."""

    def __init__(self, rows: Tensor) -> None:
        """Take [rows, dimensions], float32 or float64, of any length."""
        self.rows = rows

    @torch.no_grad()  # products are written into existing memory
    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Cosine and position [queries, min(k, rows)] of the nearest rows, nearest first; equal ones by position.

        Args:
            queries: [queries, dimensions], of any length.
        """
        queries = F.normalize(queries.to(self.rows), dim=1)
        k = min(k, len(self.rows))
        similarities = queries.new_empty(len(queries), k)
        positions = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
        left = torch.arange(len(queries), device=queries.device)
        for search in self._searches(k):
            if len(left) == 0:
                break
            values, places, proven = search(queries[left])
            similarities[left[proven]], positions[left[proven]] = values[proven], places[proven]
            left = left[~proven]
        return similarities, positions

    def _searches(self, k: int) -> Iterator[Callable[[Tensor], _Found]]:
        """The fastest first; the last one proves all."""
        if self.rows.dtype == torch.float32 and _rank(k, len(self.rows)) < len(self.rows[:: self._step()]):
            if multiplies_bfloat16(self.rows.device.type):
                yield lambda queries: self._by_candidates(queries, k, torch.bfloat16)
            yield lambda queries: self._by_candidates(queries, k, torch.float32)
        yield lambda queries: self._by_all_products(queries, k)

    def _step(self) -> int:
        return -(-len(self.rows) // _ROWS)

    def _by_candidates(self, queries: Tensor, k: int, precision: torch.dtype) -> _Found:
        block = _Block(self.rows, precision)
        parts = [_Candidates(part, k, block, len(self.rows)) for part in queries.split(_QUERIES)]
        block.fill(self.rows[:: self._step()])
        for part in parts:
            part.cut_by(block)
        for start in range(0, len(self.rows), _ROWS):
            block.fill(self.rows[start : start + _ROWS])
            for part in parts:
                part.add(block, start)
        similarities, positions, proven = zip(*(part.nearest(block.error) for part in parts), strict=True)
        return torch.cat(similarities), torch.cat(positions), torch.cat(proven)

    def _by_all_products(self, queries: Tensor, k: int) -> _Found:
        similarities = queries.new_empty(len(queries), 0)
        positions = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
        for start in range(0, len(self.rows), _ROWS):
            rows = F.normalize(self.rows[start : start + _ROWS], dim=1)
            products = queries @ rows.T
            places = torch.arange(start, start + len(rows), device=queries.device).expand(len(queries), -1)
            similarities = torch.cat([similarities, products], dim=1)
            positions = torch.cat([positions, places], dim=1)
            similarities, order = _largest(similarities, min(k, similarities.shape[1]))
            positions = positions.gather(1, order)
        return similarities, positions, torch.ones(len(queries), dtype=torch.bool, device=queries.device)


def _rank(k: int, num_rows: int) -> int:
    """The place in the sample whose similarity k rows of the bank reach for all but one in some 10,000 queries."""
    step = -(-num_rows // _ROWS)
    expected = k / step
    return k if step == 1 else int(expected + 3.5 * sqrt(expected) + 4)


class _Block:
    """Rows of the bank at length 1, and their short copy; the memory is used again."""

    def __init__(self, bank: Tensor, precision: torch.dtype) -> None:
        size = _whole_groups(min(_ROWS, len(bank)))
        self.rows = bank.new_zeros(size, bank.shape[1])
        self.short = self.rows if precision == torch.float32 else torch.zeros_like(self.rows, dtype=precision)
        self.precision = precision
        self.length = 0
        self.error = 0.0  # the largest |b - b~| so far
        self._products = bank.new_empty(size * _QUERIES, dtype=precision)

    def fill(self, rows: Tensor) -> None:
        self.length = len(rows)
        for start in range(0, len(rows), _NORMALISED_AT_ONCE):
            some = rows[start : start + _NORMALISED_AT_ONCE]
            place = slice(start, start + len(some))
            lengths = torch.linalg.vector_norm(some, dim=1, keepdim=True).clamp_min_(1e-12)  # as F.normalize
            unit = torch.div(some, lengths, out=self.rows[place])
            if self.short is not self.rows:
                short = self.short[place].copy_(unit)
                self.error = max(
                    self.error, float(torch.linalg.vector_norm(short.float().sub_(unit), dim=1).max())
                )

    def products(self, queries: Tensor) -> Tensor:
        """[rows, queries]; -inf where the block has no row."""
        products = self._products[: len(self.rows) * len(queries)].view(len(self.rows), len(queries))
        torch.mm(self.short, queries.T, out=products)
        products[self.length :] = -inf
        return products


class _Candidates:
    """Rows found so far for some queries."""

    def __init__(self, queries: Tensor, k: int, block: _Block, num_rows: int) -> None:
        self.queries = queries
        self.k = k
        self.short = queries.to(block.precision)
        self.error = torch.linalg.vector_norm(queries - self.short, dim=1)
        self.relative = _ROUNDING[block.precision]
        self.sums = 2 * queries.shape[1] * _ROUNDING[torch.float32]  # of a product's terms, rough and exact
        self.rank = _rank(k, num_rows)
        self.most = _CROWDED * self.rank * -(-num_rows // _ROWS)
        self.counts = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
        self.found: list[tuple[Tensor, Tensor, Tensor]] = []  # query, row, similarity

    def bound(self, cut: Tensor, block_error: float) -> Tensor:
        """How far a similarity can lie above a rough one of `cut`."""
        return torch.add(self.error + (block_error + self.sums), cut.abs(), alpha=self.relative)

    def cut_by(self, sample: _Block) -> None:
        products = sample.products(self.short)
        maxima = products.view(_GROUP, -1, len(self.queries)).amax(dim=0)
        # The r-th largest maximum of groups is at most the r-th largest product.
        largest = maxima if 2 * self.rank <= len(maxima) else products
        cut = largest.T.contiguous().topk(self.rank, dim=1).values[:, -1].float()
        self.cut = (cut - self.bound(cut, sample.error)).to(sample.precision)

    def add(self, block: _Block, start: int) -> None:
        products = block.products(self.short)
        cut = self.cut
        if block.precision == torch.bfloat16 and bool((cut >= 0).all()):
            # The bits of positive bfloat16 numbers have their order, and whole numbers compare faster.
            products, cut = products.view(torch.int16), cut.view(torch.int16)
        num_queries = len(self.queries)
        members = products.view(_GROUP, -1)  # a column is a group and a query
        maxima = products.view(_GROUP, -1, num_queries).amax(dim=0)
        # "Not below" keeps a group with a nan.
        columns = (maxima < cut).logical_not_().view(-1).nonzero().squeeze(1)
        below = members.index_select(1, columns) < cut[columns % num_queries]
        member, column = below.logical_not_().nonzero(as_tuple=True)
        columns = columns[column]
        query, row = columns % num_queries, member * len(maxima) + columns // num_queries
        self.counts += torch.bincount(query, minlength=num_queries)
        crowded = self.counts > self.most
        if crowded.any():
            self.cut[crowded] = inf
            kept = ~crowded[query]
            query, row = query[kept], row[kept]
        self.found.append((query, row + start, _dots(block.rows, self.queries, row, query)))

    def nearest(self, block_error: float) -> _Found:
        query, row, similarity = (torch.cat(found) for found in zip(*self.found, strict=True))
        # Lines of candidates, by position: the sort is stable.
        order = query.to(torch.int16).sort(stable=True).indices
        counts = torch.bincount(query, minlength=len(self.queries))
        query = query[order]
        width = max(int(counts.max()), self.k)
        place = (
            query * width + torch.arange(len(query), device=query.device) - (counts.cumsum(0) - counts)[query]
        )
        similarities = similarity.new_full((len(self.queries) * width,), -inf)
        similarities[place] = similarity[order]
        rows = torch.zeros_like(similarities, dtype=torch.int64)
        rows[place] = row[order]
        values, places = _largest(similarities.view(-1, width), self.k)
        cut = self.cut.float()
        proven = (counts >= self.k) & (values[:, -1] >= cut + self.bound(cut, block_error))
        return values, rows.view(-1, width).gather(1, places), proven


def _dots(rows: Tensor, queries: Tensor, row: Tensor, query: Tensor) -> Tensor:
    """The product of each pair, in float32; pairs are sorted by row. A product does not depend on the other pairs."""
    ends = torch.bincount(row, minlength=len(rows)).cumsum(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        pairs = torch.sparse_csr_tensor(
            F.pad(ends, (1, 0)),
            query,
            rows.new_zeros(len(query)),
            (len(rows), len(queries)),
            check_invariants=False,
        )
    products: Tensor = torch.sparse.sampled_addmm(pairs, rows, queries.T, beta=0)
    return products.values()


def _largest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest of each line and their places, the largest first, equal ones by place."""
    best = values.topk(k, dim=1)
    places = best.indices
    tied = (values >= best.values[:, -1:]).sum(dim=1) > k
    if tied.any():
        places[tied] = values[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    places = places.sort(dim=1).values
    ordered = values.gather(1, places).sort(dim=1, descending=True, stable=True)
    return ordered.values, places.gather(1, ordered.indices)


def _whole_groups(rows: int) -> int:
    return -(-rows // _GROUP) * _GROUP
