"""scikit-learn's 1,797 handwritten digits as 8x8 grey PNG files in ten class folders. Small enough for quick tests."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

from dino_pipeline.ingestion.sources.generated_folder import write_once

_INK = 16  # the data set's largest value


def write_digits(folder: Path) -> None:
    """Write `folder`/<digit>/NNNN.png, unless the files exist already."""
    origin = {"packages": {name: version(name) for name in ("scikit-learn", "pillow")}}
    write_once(folder, origin=origin, write=_write)


def _write(target: Path) -> None:
    from sklearn.datasets import load_digits  # takes a second, only on first use

    images, labels = load_digits(return_X_y=True)
    counts: Counter[int] = Counter()
    for image, label in zip(images.reshape(-1, 8, 8), labels.tolist(), strict=True):
        grey = np.round(image * (255 / _INK)).astype(np.uint8)
        file = target / str(label) / f"{counts[label]:04d}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(grey).save(file)
        counts[label] += 1
