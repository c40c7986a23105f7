"""Folders of small images to write recipes for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """40 colour images of 40 x 30 px in two classes, and one file that is none."""
    random = np.random.default_rng(0)
    for number in range(40):
        file = tmp_path / "My photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(file)
    (tmp_path / "My photos" / "cat" / "words.txt").write_text("no image")
    return tmp_path / "My photos"
