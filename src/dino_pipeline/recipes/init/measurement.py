"""Measure a set of images: how many, how large, which colours, which classes."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from dino_pipeline.dino.core.data.decoding import stored_form
from dino_pipeline.dino.core.data.images import DeepPixels, UnreadableImageError
from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.training.pixel_statistics import thinned
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.layout import Place
from dino_pipeline.ingestion.listing import Listing, SourceContext, SourceFile
from dino_pipeline.ingestion.reading import Limits, decode, read_bytes, said_of_problems
from dino_pipeline.ingestion.sources.registry import list_sources

_SAMPLE = 1000  # images to open, evenly spaced
_KEPT = 16
_FORMS = 50  # images whose channels and bits are read


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A source of images in numbers.

    Attributes:
        num_images: usable train images, estimated from the sample.
        num_files: all files of the source.
        unusable_share: share of the sample.
        shorter_side: median in px.
        sides: smallest and largest shorter side of the sample in px.
        images: the channels and bits of most images in the sample.
        is_grey: whether no image of the sample has colour.
        mean: mean per channel, of pixels in [0, 1].
        std: standard deviation, the same way.
        num_classes: by folder or list; 0 where there are no labels.
        splits: the splits that the source itself has.
        problems: the unusable files of the sample, with their reasons.
        left_out: what lies among the images and is no input, see `Listing`.
    """

    num_images: int
    num_files: int
    unusable_share: float
    shorter_side: int
    sides: tuple[int, int]
    images: ImagesConfig
    is_grey: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    splits: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


def measure(
    config: IngestConfig, *, project_folder: Path, raw_folder: Path, cache_folder: Path
) -> tuple[Measurement, list[bytes]]:
    """Count all files and open a sample. Returns the numbers, and a few images as they are stored.

    Raises:
        ValueError: the source is missing or refused, or has no usable image.
    """
    listings = list_sources(SourceContext(config, project_folder, raw_folder, cache_folder))
    files = [file for listing in listings for file in listing.files]
    positions = np.linspace(0, max(0, len(files) - 1), min(len(files), _SAMPLE)).astype(int)
    sides: list[int] = []
    colours: list[DeepPixels] = []  # thinned: whole images would fill the memory
    kept: list[bytes] = []
    sample = [files[position] for position in positions]
    limits = Limits(config.max_pixels, config.max_file_megabytes * 10**6, ImagesConfig(channels=3, bits=8))
    images = _commonest_form(sample[:: max(1, len(sample) // _FORMS)], limits)
    limits = replace(limits, images=images)
    problems: list[tuple[str, str]] = []
    for file in sample:
        try:
            data = read_bytes(file, limits)
            pixels = decode(data, limits)
        except UnreadableImageError as error:
            problems.append((file.name, str(error)))
            continue
        sides.append(min(pixels.shape[:2]))
        colours.append(thinned(pixels))
        if len(kept) < _KEPT:
            kept.append(data)
    if not sides:
        raise ValueError(
            f"{' and '.join(config.sources)}: none of {len(positions)} opened files (of {len(files)}) is a usable "
            f"image{said_of_problems(problems)}"
        )

    usable_share = len(sides) / len(positions)
    places = [place for listing in listings for place in _places(listing, config)]
    splits = tuple(sorted({place.split for place in places if place.split}))
    num_train = sum(place.split == "train" for place in places) * usable_share
    mean, std = _statistics(colours, images)
    return Measurement(
        num_images=max(1, round(num_train)),
        num_files=len(files),
        unusable_share=1 - usable_share,
        shorter_side=round(median(sides)),
        sides=(min(sides), max(sides)),
        images=images,
        is_grey=images.channels in (1, 3) and not any(np.ptp(shades, axis=2).any() for shades in colours),
        mean=mean,
        std=std,
        num_classes=len({place.label for place in places if place.label}),
        splits=splits,
        problems=tuple(problems),
        left_out=tuple(one for listing in listings for one in listing.left_out),
    ), kept


def _commonest_form(files: list[SourceFile], limits: Limits) -> ImagesConfig:
    forms: Counter[ImagesConfig] = Counter()
    for file in files:
        with suppress(UnreadableImageError):
            forms[stored_form(read_bytes(file, limits), max_pixels=limits.max_pixels)] += 1
    return forms.most_common(1)[0][0] if forms else limits.images


def _places(listing: Listing, config: IngestConfig) -> list[Place]:
    return listing.places_of([file for file in listing.files if not file.problem], config.splits)


def _statistics(colours: list[DeepPixels], images: ImagesConfig) -> PixelStatistics:
    """Statistics per channel. For 8 bits, three decimals are enough."""
    white = 2**images.bits - 1
    pixels = np.stack(colours).reshape(-1, images.channels) / white
    decimals = 3 if images.bits == 8 else 6
    mean, std = (
        tuple(round(float(value), decimals) for value in values)
        for values in (pixels.mean(axis=0), pixels.std(axis=0))
    )
    return PixelStatistics(mean, std)
