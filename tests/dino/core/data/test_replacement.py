"""An image that is lost gives its place to one that is there, always the same one."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.dataset import Address, MultiCropDataset, ReplacingDataset
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.recipes.reading import recipe_parameters


@pytest.fixture
def dataset(tmp_path: Path) -> ReplacingDataset:
    """Six noisy images."""
    rows = []
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), pixels)
        content = (tmp_path / f"{index}.png").read_bytes()
        size = {"width": 32, "height": 32, "bytes": len(content)}
        where = {"path": f"{index}.png", "member": None, "offset": None, "split": "train", "label": None}
        rows.append({**where, **size, "sha256": hashlib.sha256(content).hexdigest()})
    manifest = Manifest.from_pandas(pd.DataFrame(rows), tmp_path)
    config = from_dict(PretrainConfig, recipe_parameters("base")["pretrain"])
    return ReplacingDataset(
        MultiCropDataset(manifest, config.images, config.multi_crop, seed=0, augment_on_device=False)
    )


def test_an_image_that_can_be_read_stays(dataset: ReplacingDataset) -> None:
    sample, plain = dataset[Address(0, 2)], dataset.dataset[Address(0, 2)]
    assert sample.unreadable == []
    assert np.array_equal(sample.views.global_crops, plain.global_crops)


def test_a_lost_image_is_replaced_by_the_same_one_each_time_and_by_others_elsewhere(
    dataset: ReplacingDataset, tmp_path: Path
) -> None:
    (tmp_path / "2.png").unlink()
    first, again = dataset[Address(0, 2)], dataset[Address(0, 2)]
    assert {image.path for image in first.unreadable} == {"2.png"}
    assert np.array_equal(first.views.global_crops, again.views.global_crops)
    assert np.array_equal(first.views.local_crops, again.views.local_crops)
    others = [dataset[Address(epoch, 2)].views.global_crops for epoch in range(1, 4)]
    assert all(not np.array_equal(first.views.global_crops, other) for other in others)


def test_where_nothing_can_be_read_the_error_names_the_image(
    dataset: ReplacingDataset, tmp_path: Path
) -> None:
    for file in tmp_path.glob("*.png"):
        file.unlink()
    with pytest.raises(
        ValueError, match=r"^2\.png cannot be read, and neither can 49 images drawn in its place"
    ):
        dataset[Address(0, 2)]
