"""Mean and standard deviation of each channel, measured on images."""

import numpy as np

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.core.data.manifest import Manifest

SAMPLE = 500  # images, chosen by the seed; all if there are fewer
_GRID = 64  # pixels along each side, so that every image counts equally, as in training


def pixel_statistics(images: Manifest, config: ImagesConfig, *, seed: int) -> PixelStatistics:
    """Measure a sample of images. Equal images and seeds give an equal sample."""
    chosen = np.arange(len(images))
    if len(images) > SAMPLE:
        chosen = np.sort(generator_at(seed, Domain.STATISTICS).permutation(len(images))[:SAMPLE])
    return statistics_of([thinned(decode_image(images.read_bytes(int(i)), config)) for i in chosen])


def statistics_of(images: list[DeepPixels]) -> PixelStatistics:
    """Statistics of images [H, W, channels] of equal size, rounded to six decimals.

    Raises:
        ValueError: a channel has the same value everywhere, so that its standard deviation is 0.
    """
    white = int(np.iinfo(images[0].dtype).max)
    pixels = np.stack(images).reshape(-1, images[0].shape[2]).astype(np.int64)
    # Integer sums are exact in any order.
    count, sums, squares = len(pixels), pixels.sum(axis=0), (pixels**2).sum(axis=0)
    variances = [count * int(square) - int(total) ** 2 for total, square in zip(sums, squares, strict=True)]
    if 0 in variances:
        raise ValueError(
            f"channel {variances.index(0) + 1} of {len(variances)} has the same value in all measured images: "
            "remove it from the images, or give pretrain.mean and pretrain.std as numbers"
        )
    return PixelStatistics(
        mean=tuple(round(int(total) / count / white, 6) for total in sums),
        std=tuple(round(float(np.sqrt(variance)) / count / white, 6) for variance in variances),
    )


def thinned(image: DeepPixels) -> DeepPixels:
    """Take pixels of an image on a grid, about the same number for every image."""
    rows, columns = (np.linspace(0, side - 1, _GRID).astype(int) for side in image.shape[:2])
    grid: DeepPixels = image[np.ix_(rows, columns)]
    return grid
