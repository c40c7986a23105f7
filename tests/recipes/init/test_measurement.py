"""What is measured is what is there."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.recipes.init.measurement import Measurement, measure

CONF = Path(__file__).parents[3] / "conf"


def measured(source: Path) -> Measurement:
    values = yaml.safe_load((CONF / "base" / "parameters_ingest.yml").read_text())["ingest"]
    config = replace(from_dict(IngestConfig, values), source=str(source))
    folder = source.parent
    return measure(config, project_folder=folder, raw_folder=folder / "raw", cache_folder=folder / "cache")[0]


def test_counts_sizes_colours_and_classes(photos: Path) -> None:
    data = measured(photos)
    assert (data.num_files, data.num_images, data.num_classes, data.splits) == (41, 40, 2, ("train",))
    assert data.unusable_share == pytest.approx(1 / 41)
    assert (data.shorter_side, data.sides) == (30, (30, 30))
    assert not data.is_grey
    np.testing.assert_allclose(data.mean, 0.5, atol=0.01)  # uniform noise
    np.testing.assert_allclose(data.std, 1 / np.sqrt(12), atol=0.01)


def test_splits_are_seen_and_only_train_is_counted(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (photos / "cat").rename(tmp_path / "set" / "train")
    (photos / "dog").rename(tmp_path / "set" / "test")
    data = measured(tmp_path / "set")
    assert data.splits == ("test", "train")
    assert data.num_images == pytest.approx(20, abs=1)


def test_grey_images_are_told_from_colour(tmp_path: Path) -> None:
    (tmp_path / "grey").mkdir()
    for number in range(4):
        Image.new("L", (20, 20), 60 * number).save(tmp_path / "grey" / f"{number}.png")
    data = measured(tmp_path / "grey")
    assert data.is_grey
    assert data.num_classes == 0
    assert data.mean == (0.353, 0.353, 0.353)  # (0 + 60 + 120 + 180) / 4 / 255


def test_no_usable_image_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"none of 1 opened files \(of 1\) is a usable image"):
        measured(tmp_path / "words")


def test_deep_grey_and_many_channels_are_found_and_measured_as_they_are(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(6):
        deep = random.integers(1000, 3000, (20, 24)).astype(np.uint16)
        five = random.integers(0, 256, (20, 24, 5), dtype=np.uint8)
        for kind in ("deep", "five"):
            (tmp_path / kind).mkdir(exist_ok=True)
        Image.fromarray(deep).save(tmp_path / "deep" / f"{number}.png")
        tifffile.imwrite(
            tmp_path / "five" / f"{number}.tif", five, photometric="minisblack", planarconfig="contig"
        )
    Image.new("RGB", (20, 20), "red").save(tmp_path / "five" / "other.png")
    deep, five = measured(tmp_path / "deep"), measured(tmp_path / "five")
    assert deep.images == ImagesConfig(channels=1, bits=16)
    np.testing.assert_allclose(deep.mean, 2000 / 65535, rtol=0.02)
    np.testing.assert_allclose(deep.std, 2000 / np.sqrt(12) / 65535, rtol=0.02)
    assert five.images == ImagesConfig(channels=5, bits=8)
    assert (len(five.mean), five.num_files) == (5, 7)
    assert five.unusable_share == pytest.approx(1 / 7), "the one of other channels"
