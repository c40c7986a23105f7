"""The pictures of the report: thumbnails, views of the first epoch, and nearest neighbours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import multi_crop
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.features.evaluation_transform import evaluation_crop
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.plotting.pixels import jpeg_data_uri, png_data_uri, visible
from dino_pipeline.report.config import NeighborsConfig

_SHOWN_WIDTH = 96  # width of a global view, in the page's pixels


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in the page."""

    source: str  # a data URI
    text: str  # what it shows
    width: int  # in the page's pixels


@dataclass(frozen=True, kw_only=True)
class ImageViews:
    """An image with all its views."""

    original: Picture
    global_views: list[Picture]
    local_views: list[Picture]


@dataclass(frozen=True, kw_only=True)
class TrainNeighbor:
    """A train image near a query. `is_right`: whether they share a class; None if one has no label."""

    picture: Picture
    similarity: float
    is_right: bool | None


@dataclass(frozen=True, kw_only=True)
class Query:
    """A held-out image with its neighbours, the nearest first."""

    picture: Picture
    neighbors: list[TrainNeighbor]


def thumbnail(images: Manifest, position: int, read_as: ImagesConfig, size: int) -> Picture:
    """The central square of an image. A small image is not enlarged here; the page enlarges it."""
    image = decode_image(images.read_bytes(position), read_as)
    side = min(size, *image.shape[:2])
    neutral = (0.0,) * read_as.channels
    crop = evaluation_crop(
        image, EvaluationTransformConfig(resize=side, crop=side, images=read_as, mean=neutral, std=neutral)
    )
    label = images.labels[position]
    return Picture(source=jpeg_data_uri(visible(crop.permute(1, 2, 0).numpy())), text=label or "", width=size)


def first_views(images: Manifest, pretrain: dict[str, Any], *, thumbnail_size: int) -> list[ImageViews]:
    """The views of epoch 0, as the network saw them. Seed, image and index determine them, so no training is needed.

    Args:
        images: images of the train split.
        pretrain: the model's training parameters.
        thumbnail_size: side of the untouched image, in pixels.
    """
    config = from_dict(MultiCropConfig, pretrain["multi_crop"])
    read_as = from_dict(ImagesConfig, pretrain["images"])
    scale = _SHOWN_WIDTH / config.global_crop_size
    shown = []
    for position, place in enumerate(images.places):
        image = decode_image(images.read_bytes(position), read_as)
        views = multi_crop(image, config, seed=pretrain["seed"], epoch=0, place=int(place))
        global_views, local_views = (
            [
                Picture(
                    source=png_data_uri(visible(view, like=image)),
                    width=round(len(view) * scale),
                    text=f"{kind} view {index}",
                )
                for index, view in enumerate(crops, start=1)
            ]
            for kind, crops in (("global", views.global_crops), ("local", views.local_crops))
        )
        shown.append(
            ImageViews(
                original=thumbnail(images, position, read_as, thumbnail_size),
                global_views=global_views,
                local_views=local_views,
            )
        )
    return shown


def nearest(
    features: Features,
    images: Manifest,
    split: str,
    config: NeighborsConfig,
    *,
    read_as: ImagesConfig,
    thumbnail_size: int,
) -> list[Query]:
    """Queries with their nearest train images, by cosine similarity.

    Args:
        features: features of all images.
        images: the whole manifest.
        split: the split of the queries, which are evenly spaced.
        config: how many queries and neighbours.
        read_as: channels and bits.
        thumbnail_size: pixels.
    """
    gallery, held_out = features.split("train"), features.split(split)
    chosen = evenly_spaced(len(held_out), config.num_queries)
    similarities = _unit(held_out.embedding[chosen]) @ _unit(gallery.embedding).T
    queries = []
    for query, row in zip(chosen, similarities, strict=True):
        order = np.argsort(-row, kind="stable")[: config.num_neighbors]
        label = held_out.labels[query]
        queries.append(
            Query(
                picture=thumbnail(images, int(held_out.row_ids[query]), read_as, thumbnail_size),
                neighbors=[
                    TrainNeighbor(
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
