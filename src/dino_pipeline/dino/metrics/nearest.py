"""Exact search for the nearest rows of a bank by cosine, at the speed of bfloat16 if the hardware supports it.

A bfloat16 product with the whole bank gives a shortlist somewhat longer than k, which is scored again in the bank's own
precision. The actual rounding errors prove that no better row is missing:

    |s~ - s| <= |q - q~| + max |b - b~| + rounding of s~       for unit vectors q and b, by Cauchy-Schwarz

So no row outside the shortlist exceeds the shortlist's last s~ plus that bound. The few queries whose k-th similarity
is below it are searched again in full precision.
"""

import torch
from torch import Tensor

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16

_SPARE = 128  # places of the shortlist beyond k; with fewer, more queries are searched twice
_ROUNDING = 2.0**-8  # relative error of rounding to bfloat16
_GROUP = 16  # rows of products
_RESCORED_AT_ONCE = 64  # queries; rows of their shortlists are [queries, shortlist, dimensions]


class Bank:
    """Unit vectors to search among, [rows, dimensions]."""

    def __init__(self, rows: Tensor, *, chunk: int) -> None:
        """Prepare a bank for searching.

        Args:
            rows: float32 or float64, each of length 1 or 0.
            chunk: rows that are multiplied at once.
        """
        self.rows = rows
        self.chunk = chunk
        self.short_rows: Tensor | None = None
        if rows.dtype == torch.float32 and multiplies_bfloat16(rows.device.type):
            self.short_rows = rows.to(torch.bfloat16)
            self.rounding = max(
                float((part - short.float()).norm(dim=1).max())
                for part, short in zip(rows.split(chunk), self.short_rows.split(chunk), strict=True)
            )

    @torch.no_grad()  # products are written into existing memory
    def nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Cosine and position [queries, min(k, rows)] of the nearest rows, nearest first.

        Args:
            queries: [queries, dimensions] in the bank's dtype, each of length 1 or 0.
        """
        if self.short_rows is None or k + _SPARE >= len(self.rows):
            return _search(queries, self.rows, k, self.chunk)
        short_queries = queries.to(torch.bfloat16)
        rough, shortlist = _search(short_queries, self.short_rows, k + _SPARE, self.chunk)
        similarities, positions = self._rescored(queries, shortlist, k)
        last = rough[:, -1].float()
        bound = (queries - short_queries.float()).norm(dim=1) + self.rounding + last.abs() * _ROUNDING
        unsure = similarities[:, -1] < last + bound
        if unsure.any():
            similarities[unsure], positions[unsure] = _search(queries[unsure], self.rows, k, self.chunk)
        return similarities, positions

    def _rescored(self, queries: Tensor, shortlist: Tensor, k: int) -> tuple[Tensor, Tensor]:
        similarities = torch.cat(
            [
                torch.bmm(self.rows[places], some.unsqueeze(2)).squeeze(2)
                for some, places in zip(
                    queries.split(_RESCORED_AT_ONCE), shortlist.split(_RESCORED_AT_ONCE), strict=True
                )
            ]
        )
        best = similarities.topk(k, dim=1)
        return best.values, shortlist.gather(1, best.indices)


def _search(queries: Tensor, bank: Tensor, k: int, chunk: int) -> tuple[Tensor, Tensor]:
    similarities = queries.new_empty(len(queries), 0)
    positions = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    # One buffer for all chunks, because fresh memory for each would cost page faults.
    products = queries.new_empty(_whole_groups(min(chunk, len(bank))), len(queries))
    for start in range(0, len(bank), chunk):
        rows = bank[start : start + chunk]
        torch.mm(rows, queries.T, out=products[: len(rows)])
        used = products[: _whole_groups(len(rows))]
        used[len(rows) :] = -torch.inf
        largest, places = _largest(used, min(k, len(rows)))
        similarities = torch.cat([similarities, largest], dim=1)
        positions = torch.cat([positions, places + start], dim=1)
        similarities, order = similarities.topk(min(k, similarities.shape[1]), dim=1)
        positions = positions.gather(1, order)
    return similarities, positions


def _whole_groups(rows: int) -> int:
    return -(-rows // _GROUP) * _GROUP


def _largest(products: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The same as `topk` along columns, but faster: the k largest are in the k groups with the largest maxima.

    A group is every n-th row, so that maxima run over contiguous memory.

    Args:
        products: [rows, queries]; the number of rows is a multiple of the group's size.

    Returns:
        values and rows [queries, k], the largest first.
    """
    members = products.unflatten(0, (_GROUP, -1))  # [group size, groups, queries]
    num_groups = members.shape[1]
    if k >= num_groups:
        nearest = products.T.topk(k, dim=1)
        return nearest.values, nearest.indices
    groups = members.amax(dim=0).T.contiguous().topk(k, dim=1, sorted=False).indices
    candidates = members.gather(1, groups.T.expand(_GROUP, -1, -1))
    nearest = candidates.flatten(0, 1).T.contiguous().topk(k, dim=1)
    return nearest.values, groups.gather(1, nearest.indices % k) + nearest.indices // k * num_groups
