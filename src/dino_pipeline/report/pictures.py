"""Held-out images and the train images whose features are nearest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.report.config import NeighborsConfig
from dino_pipeline.report.thumbnails import Picture, thumbnail


@dataclass(frozen=True, kw_only=True)
class Neighbor:
    """A train image, and whether its class is the query's; None where one of them has no label."""

    picture: Picture
    similarity: float
    is_right: bool | None


@dataclass(frozen=True, kw_only=True)
class Query:
    """A held-out image with its neighbours, the nearest first."""

    picture: Picture
    neighbors: list[Neighbor]


def nearest(
    features: Features,
    images: Manifest,
    split: str,
    config: NeighborsConfig,
    *,
    read_as: ImagesConfig,
    thumbnail_size: int,
) -> list[Query]:
    """Neighbours by cosine similarity.

    Args:
        features: of all images.
        images: the whole manifest.
        split: where queries come from, at even distances.
        config: how many.
        read_as: channels and bits.
        thumbnail_size: pixels.
    """
    gallery, held_out = features.split("train"), features.split(split)
    chosen = (
        np.linspace(0, len(held_out) - 1, min(config.num_queries, len(held_out))).round().astype(np.int64)
    )
    similarities = _unit(held_out.embedding[chosen]) @ _unit(gallery.embedding).T
    queries = []
    for query, row in zip(chosen, similarities, strict=True):
        order = np.argsort(-row, kind="stable")[: config.num_neighbors]
        label = held_out.labels[query]
        queries.append(
            Query(
                picture=thumbnail(images, int(held_out.row_ids[query]), read_as, thumbnail_size),
                neighbors=[
                    Neighbor(
                        picture=thumbnail(images, int(gallery.row_ids[index]), read_as, thumbnail_size),
                        similarity=float(row[index]),
                        is_right=_same(label, gallery.labels[index]),
                    )
                    for index in order
                ],
            )
        )
    return queries


def _unit(embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(embedding, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (embedding / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def _same(one: str | None, other: str | None) -> bool | None:
    return None if one is None or other is None else one == other
