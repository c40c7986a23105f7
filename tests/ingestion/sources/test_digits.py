"""The embedded digits are scikit-learn's, in ten classes and three splits."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ..conftest import RunIngest


def test_digits_keep_their_pixels_and_classes(run: RunIngest, tmp_path: Path) -> None:
    result = run("embedded:digits", minimum_size=8, test_fraction=0.15, validation_fraction=0.15)
    images, labels = load_digits(return_X_y=True)
    assert result.summary["classes"] == {str(digit): int((labels == digit).sum()) for digit in range(10)}
    assert all(result.manifest.groupby("split")["label"].nunique() == 10)
    first_three = images[np.flatnonzero(labels == 3)[0]].reshape(8, 8)
    written = np.asarray(Image.open(tmp_path / "project" / "data" / "01_raw" / "digits" / "3" / "0000.png"))
    assert np.abs(written - first_three * 255 / 16).max() <= 0.5
