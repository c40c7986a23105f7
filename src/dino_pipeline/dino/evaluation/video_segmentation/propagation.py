"""Propagate masks from context frames to a frame by the similarity of patches (arXiv:1906.02487, arXiv:2104.14294)."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Patches per side. A smaller tile is compared with fewer patches outside its neighbourhoods; a larger tile makes better
# use of matrix products and of threads, which synchronise after every operation.
TILE = 13


def propagate(
    target: Tensor,
    context_features: Tensor,
    context_masks: Tensor,
    *,
    neighborhood_radius: int,
    top_k: int,
    temperature: float,
) -> Tensor:
    """The mean mask of the `top_k` most similar context patches near each patch, weighted by exp(cosine / temperature).

    Near is a square of (2 radius + 1)^2 patches in each context frame. As in the published code, patches that tie with
    the last of the top k count too. The target is processed in tiles, so that a tile's neighbourhoods are one block of
    each context frame: memory is [TILE^2, contexts * (TILE + 2 radius)^2], for any frame size.

    Args:
        target: unit vectors [rows, columns, dim].
        context_features: unit vectors [contexts, rows, columns, dim].
        context_masks: [contexts, classes, rows, columns], 0 to 1.

    Returns:
        [classes, rows, columns].
    """
    num_rows, num_columns = target.shape[:2]
    queries = target / temperature
    masks = context_masks.movedim(1, -1)
    propagated = masks.new_empty(num_rows, num_columns, masks.shape[-1])
    for top in range(0, num_rows, TILE):
        rows, near_rows = _block(top, num_rows, neighborhood_radius)
        for left in range(0, num_columns, TILE):
            columns, near_columns = _block(left, num_columns, neighborhood_radius)
            keys = context_features[:, near_rows, near_columns].flatten(0, 2)
            similarity = queries[rows, columns].flatten(0, 1) @ keys.T
            far = (
                _far(rows, near_rows, neighborhood_radius, target.device)[:, None, :, None]
                + _far(columns, near_columns, neighborhood_radius, target.device)[None, :, None, :]
            )
            similarity.unflatten(1, (len(masks), -1)).add_(far.flatten(2).flatten(0, 1)[:, None])
            least = similarity.topk(min(top_k, len(keys)), dim=1).values[:, -1:]
            # The rest only processes the few patches that count.
            query, key = (similarity >= least).nonzero(as_tuple=True)
            weights = similarity[query, key].exp_()[:, None]
            values = weights * masks[:, near_rows, near_columns].flatten(0, 2)[key]
            tile = values.new_zeros(len(similarity), values.shape[1]).index_add_(0, query, values)
            tile /= weights.new_zeros(len(similarity), 1).index_add_(0, query, weights)
            propagated[rows, columns] = tile.view_as(propagated[rows, columns])
    return propagated.movedim(-1, 0)


def label_map(masks: Tensor, height: int, width: int) -> Tensor:
    """The class of each pixel, int64 [height, width], from masks [classes, rows, columns].

    Masks are enlarged bilinearly and then each scaled to [0, 1], so that a faded object can still win. A constant mask
    stays as it is.
    """
    enlarged = F.interpolate(masks[None], (height, width), mode="bilinear")[0]
    low, high = enlarged.amin(dim=(1, 2), keepdim=True), enlarged.amax(dim=(1, 2), keepdim=True)
    stretched = torch.where(high > low, (enlarged - low) / (high - low), enlarged)
    return stretched.argmax(dim=0)


def _block(start: int, length: int, radius: int) -> tuple[slice, slice]:
    """A tile's positions along one axis, and the positions within the radius of any of them."""
    stop = min(start + TILE, length)
    return slice(start, stop), slice(max(0, start - radius), min(length, stop + radius))


def _far(tile: slice, block: slice, radius: int, device: torch.device) -> Tensor:
    """[tile, block]: minus infinity if a block's position is beyond the radius of a tile's position, else 0."""
    positions = torch.arange(tile.start, tile.stop, device=device)
    others = torch.arange(block.start, block.stop, device=device)
    is_far = (positions[:, None] - others).abs() > radius
    return torch.zeros(is_far.shape, device=device).masked_fill_(is_far, -torch.inf)
