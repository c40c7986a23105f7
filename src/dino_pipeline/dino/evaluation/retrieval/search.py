"""A search: queries and gallery, their descriptors from every network, and the images that each query should find."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from timm.layers import to_2tuple
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.ranking import RankingScores, Relevance, search
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.dino.progress import with_progress


class Criterion(NamedTuple):
    """The images that a query should find, and junk images, which do not count."""

    relevant: Relevance
    junk: Relevance


class Neighbor(NamedTuple):
    """An image of the gallery, and whether the query should find it; None for junk."""

    position: int
    is_right: bool | None


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Images, and their unit descriptors float32 [images, dim] on the CPU, by the network's name."""

    queries: Manifest
    gallery: Manifest
    query_descriptors: dict[str, Tensor]
    gallery_descriptors: dict[str, Tensor]
    criteria: dict[str, Criterion]

    def scores(
        self, criterion: str, *, cutoffs: Sequence[int], device: torch.device
    ) -> dict[str, RankingScores]:
        """Score every query, by the network's name."""
        relevant, junk = self.criteria[criterion]
        descriptors = list(self.query_descriptors.items())
        return {
            network: search(
                queries.to(device),
                self.gallery_descriptors[network].to(device),
                relevant=relevant,
                junk=junk,
                cutoffs=cutoffs,
            )
            for network, queries in with_progress(descriptors, f"search {criterion}", unit="networks")
        }

    def nearest(
        self, network: str, criterion: str, *, num_queries: int, num_neighbors: int
    ) -> dict[int, list[Neighbor]]:
        """The first neighbours of some evenly spaced queries, by the query's position."""
        chosen = torch.from_numpy(evenly_spaced(len(self.queries), num_queries))
        similarities = self.query_descriptors[network][chosen] @ self.gallery_descriptors[network].T
        orders = similarities.argsort(dim=1, descending=True, stable=True)[:, :num_neighbors]
        found = {}
        for query, order in zip(chosen.tolist(), orders, strict=True):
            relevant, junk = (kind(slice(query, query + 1))[0][order] for kind in self.criteria[criterion])
            found[query] = [
                Neighbor(position, None if is_junk else is_right)
                for position, is_right, is_junk in zip(
                    order.tolist(), relevant.tolist(), junk.tolist(), strict=True
                )
            ]
        return found


def multi_scale_descriptor(backbone: Backbone, images: Tensor, *, scales: Sequence[float]) -> Tensor:
    """The mean of the backbone's feature over scales, as a unit vector: [N, dim].

    The same as utils.multi_scale of https://github.com/facebookresearch/dino.

    Args:
        images: normalised [N, 3, H, W]; at each scale, partial patches at the right and the bottom are cut off.
        scales: factors of the sides.

    Raises:
        ValueError: at some scale an image is smaller than a patch.
    """
    total = sum(backbone(_whole_patches(backbone, _scaled(images, scale), scale)) for scale in scales)
    descriptor: Tensor = F.normalize(total, dim=1)
    return descriptor


def _scaled(images: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return images
    return F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=False)


def _whole_patches(backbone: Backbone, images: Tensor, scale: float) -> Tensor:
    if not hasattr(backbone.model, "patch_embed"):
        return images
    height, width = images.shape[-2:]
    patch_height, patch_width = to_2tuple(backbone.model.patch_embed.patch_size)
    if height < patch_height or width < patch_width:
        raise ValueError(
            f"at scale {scale:g} an image has {height}x{width} px, less than a patch: remove that scale"
        )
    return images[..., : height - height % patch_height, : width - width % patch_width]
