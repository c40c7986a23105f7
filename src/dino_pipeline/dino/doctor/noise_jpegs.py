"""JPEG files of smoothed noise, to measure on where no photographs are."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import simplejpeg

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest

_GRAIN = 8  # pixels: a 375 x 500 file has about 100 KB, as a photograph's


def noise_jpegs(folder: Path, *, num_images: int, height: int, width: int, num_val: int = 0) -> Manifest:
    """Write them, and list them as unlabelled images: train, then the last `num_val` as val."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = []
    for number in range(num_images):
        coarse = random.integers(0, 256, (height // _GRAIN + 1, width // _GRAIN + 1, 3), dtype=np.uint8)
        smooth = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
        fine = random.integers(0, 24, smooth.shape, dtype=np.uint8)
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(cv2.add(smooth, fine)), 90)
        file = folder / f"{number:06d}.jpg"
        file.write_bytes(data)
        rows.append(
            {
                "path": str(file),
                "split": "train" if number < num_images - num_val else "val",
                "width": width,
                "height": height,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), folder, np.arange(num_images))
