"""Mean and standard deviation of each channel, and the whitening of small patches, measured on images."""

from collections.abc import Iterator

import numpy as np

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import crop_and_resize

SAMPLE = 500  # images, chosen by the seed; all if there are fewer
_SMALLEST_VARIANCE = 1e-2  # added to each, so that directions of noise are not blown up
_GRID = 64  # pixels along each side, so that every image counts equally, as in training


def pixel_statistics(images: Manifest, config: ImagesConfig, *, seed: int) -> PixelStatistics:
    """Measure a sample of images. Equal images and seeds give an equal sample."""
    return statistics_of([thinned(image) for image in _sample(images, config, seed=seed)])


def patch_whitening(
    images: Manifest, config: ImagesConfig, statistics: PixelStatistics, *, size: int, patch: int, seed: int
) -> tuple[float, ...]:
    """The matrix that whitens patches [channels, patch, patch] of a sample of images: its rows, one after the other.

    The rows are the eigenvectors of the patches' covariance, the largest variance first, over its square root.

    Args:
        statistics: mean and std that normalise the images first.
        size: px, to which whole images are resized first, as the training sees them.
    """
    mean, std = (np.array(values, dtype=np.float64) for values in (statistics.mean, statistics.std))
    dim = len(mean) * patch**2
    products, sums, count = np.zeros((dim, dim)), np.zeros(dim), 0
    for image in _sample(images, config, seed=seed):
        resized = crop_and_resize(image, (0, 0, *image.shape[:2]), size)
        pixels = (resized / np.iinfo(resized.dtype).max - mean) / std
        # [rows, columns, channels, patch, patch]
        patches = np.lib.stride_tricks.sliding_window_view(pixels, (patch, patch), axis=(0, 1))
        flat = patches.reshape(-1, dim)
        products += flat.T @ flat
        sums += flat.sum(axis=0)
        count += len(flat)
    variances, vectors = np.linalg.eigh(products / count - np.outer(sums, sums) / count**2)
    rows = (vectors / np.sqrt(variances + _SMALLEST_VARIANCE)).T[::-1]
    # An eigenvector's sign is arbitrary: the largest entry is positive.
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1, keepdims=True), axis=1)
    return tuple(np.round(rows * np.sign(largest), 4).flatten().tolist())


def _sample(images: Manifest, config: ImagesConfig, *, seed: int) -> Iterator[DeepPixels]:
    chosen = np.arange(len(images))
    if len(images) > SAMPLE:
        chosen = np.sort(generator_at(seed, Domain.STATISTICS).permutation(len(images))[:SAMPLE])
    return (decode_image(images.read_bytes(int(i)), config) for i in chosen)


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
