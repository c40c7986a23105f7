"""Mean and std of channels against numpy's on whole images."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.training import pixel_statistics

FIVE = ImagesConfig(channels=5, bits=16)


def manifest(folder: Path, images: list[np.ndarray]) -> Manifest:
    rows = []
    for number, pixels in enumerate(images):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, photometric="minisblack", planarconfig="contig")
        (folder / f"{number}.tif").write_bytes(buffer.getvalue())
        rows.append({"path": f"{number}.tif", "split": "train", "bytes": len(buffer.getvalue())})
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), folder, np.arange(len(rows)))


def noise(seed: int, scale: int = 4096) -> np.ndarray:
    return (np.random.default_rng(seed).integers(0, scale, (64, 64, 5)) * np.array([1, 2, 3, 4, 5])).astype(
        np.uint16
    )


def test_they_are_numpys_per_channel_on_the_scale_from_0_to_1(tmp_path: Path) -> None:
    images = [noise(seed) for seed in range(3)]
    mean, std = pixel_statistics.pixel_statistics(manifest(tmp_path, images), FIVE, seed=0)
    pixels = np.stack(images) / 65535
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 1, 2)), atol=5e-7)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 1, 2)), atol=5e-7)


def test_a_large_and_a_small_image_count_the_same(tmp_path: Path) -> None:
    small, large = np.full((16, 16, 5), 100, np.uint16), np.full((200, 300, 5), 300, np.uint16)
    mean, std = pixel_statistics.pixel_statistics(manifest(tmp_path, [small, large]), FIVE, seed=0)
    assert mean == (round(200 / 65535, 6),) * 5
    assert std == (round(100 / 65535, 6),) * 5


def test_whitened_patches_have_no_correlation_and_the_variance_of_white_noise(tmp_path: Path) -> None:
    rough = [noise(seed) for seed in range(3)]
    smooth = [np.repeat(np.repeat(image[:16, :16], 4, axis=0), 4, axis=1) for image in rough]
    statistics = pixel_statistics.pixel_statistics(manifest(tmp_path, smooth), FIVE, seed=0)
    found = pixel_statistics.patch_whitening(
        manifest(tmp_path, smooth), FIVE, statistics, size=64, patch=2, seed=0
    )
    rows = np.array(found).reshape(20, 20)
    pixels = [(image / 65535 - statistics.mean) / statistics.std for image in smooth]
    patches = np.array(
        [
            image[y : y + 2, x : x + 2].transpose(2, 0, 1).flatten()
            for image in pixels
            for y in range(63)
            for x in range(63)
        ]
    )
    covariance = np.cov(patches.T)
    whitened = rows @ covariance @ rows.T
    variances = np.linalg.eigvalsh(covariance)[::-1]
    np.testing.assert_allclose(whitened, np.diag(variances / (variances + 0.01)), atol=5e-3)


def test_the_sample_of_many_images_is_the_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_statistics, "SAMPLE", 3)
    many = manifest(tmp_path, [noise(seed, scale=50 * (seed + 1)) for seed in range(9)])
    first, again, other = (pixel_statistics.pixel_statistics(many, FIVE, seed=seed) for seed in (0, 0, 2))
    assert first == again
    assert first != other


def test_a_channel_without_any_difference_is_named(tmp_path: Path) -> None:
    pixels = noise(0)
    pixels[:, :, 3] = 7
    with pytest.raises(ValueError, match="channel 4 of 5 has the same value"):
        pixel_statistics.pixel_statistics(manifest(tmp_path, [pixels]), FIVE, seed=0)
