"""What a set of images is like: how many, how large, which colours, which classes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.data.images import Pixels, UnreadableImageError, decode_rgb
from dino_pipeline.dino.data.manifest import read_image_bytes
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.layout import Place, arrange
from dino_pipeline.ingestion.listing import Listing, SourceFile
from dino_pipeline.ingestion.source import list_sources

_SAMPLE = 1000  # images opened, at even distances
_KEPT = 16
_PIXELS = 64  # along each side of an image, for its colours


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A source of images in numbers.

    Attributes:
        num_images: usable ones in train, estimated from the sample.
        num_files: all that the source holds.
        unusable_share: of the sample.
        shorter_side: median in px.
        sides: smallest and largest shorter side of the sample in px.
        is_grey: whether no image of the sample has colour.
        mean: per channel, of pixels in [0, 1].
        std: likewise.
        num_classes: by folder or list; 0 where there are no labels.
        splits: those that the source itself has.
    """

    num_images: int
    num_files: int
    unusable_share: float
    shorter_side: int
    sides: tuple[int, int]
    is_grey: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    num_classes: int
    splits: tuple[str, ...]


def measure(
    config: IngestConfig, *, project_folder: Path, raw_folder: Path, cache_folder: Path
) -> tuple[Measurement, list[bytes]]:
    """Count all files, open a sample of them; the numbers, and a few images as they are stored.

    Raises:
        ValueError: the source is missing or refused, or holds no usable image.
    """
    listings = list_sources(
        config, project_folder=project_folder, raw_folder=raw_folder, cache_folder=cache_folder
    )
    files = [file for listing in listings for file in listing.files]
    positions = np.linspace(0, max(0, len(files) - 1), min(len(files), _SAMPLE)).astype(int)
    sides: list[int] = []
    colours: list[Pixels] = []  # thinned: whole images would fill the memory
    kept: list[bytes] = []
    for data, pixels in _readable([files[position] for position in positions], config):
        sides.append(min(pixels.shape[:2]))
        colours.append(_thinned(pixels).reshape(-1, 3))
        if len(kept) < _KEPT:
            kept.append(data)
    if not sides:
        raise ValueError(
            f"{' and '.join(config.sources)}: no usable image among {len(positions)} of {len(files)} files"
        )

    usable_share = len(sides) / len(positions)
    places = [place for listing in listings for place in _places(listing)]
    splits = tuple(sorted({place.split for place in places if place.split}))
    num_train = sum(place.split == "train" for place in places) * usable_share
    shades = np.stack(colours)  # [images, pixels, 3]
    return Measurement(
        num_images=max(1, round(num_train)),
        num_files=len(files),
        unusable_share=1 - usable_share,
        shorter_side=round(median(sides)),
        sides=(min(sides), max(sides)),
        is_grey=not np.ptp(shades, axis=2).any(),
        mean=_rounded(shades.mean(axis=(0, 1)) / 255),
        std=_rounded(shades.std(axis=(0, 1), dtype=np.float64) / 255),
        num_classes=len({place.label for place in places if place.label}),
        splits=splits,
    ), kept


def _readable(files: list[SourceFile], config: IngestConfig) -> Iterator[tuple[bytes, Pixels]]:
    for file in files:
        if file.problem or file.size > config.max_file_megabytes * 10**6:
            continue
        try:
            data = read_image_bytes(file.path, file.member, file.offset, file.size)
            yield data, decode_rgb(data, max_pixels=config.max_pixels)
        except (UnreadableImageError, OSError, RuntimeError):
            continue  # ingest will say why, file by file


def _places(listing: Listing) -> list[Place]:
    files = [file for file in listing.files if not file.problem]
    if listing.places is not None:
        return [listing.places[file.name] for file in files]
    return arrange([file.name for file in files], listing.folders)


def _thinned(image: Pixels) -> Pixels:
    """About the same number of pixels of every image, on a grid."""
    rows, columns = (np.linspace(0, side - 1, _PIXELS).astype(int) for side in image.shape[:2])
    thinned: Pixels = image[np.ix_(rows, columns)]
    return thinned


def _rounded(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (round(float(value), 3) for value in values)
    return red, green, blue
