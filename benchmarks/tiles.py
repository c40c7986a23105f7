"""JPEG files to measure on, cut from the photographs that come with the packages: real contents, and no download."""

import hashlib
from itertools import cycle
from pathlib import Path

import numpy as np
import pyarrow as pa
import simplejpeg

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.ingestion.sources.photographs import PHOTOGRAPHS, read_photograph


def tiles_of_photographs(
    folder: Path, *, num_images: int, side: int | tuple[int, int], quality: int = 90
) -> Manifest:
    """Write windows of the photographs as JPEG files, and list them as train images labelled by their photograph.

    Args:
        side: of a window in pixels, or its height and width; photographs that are smaller are left out.
    """
    height, width = (side, side) if isinstance(side, int) else side
    photographs = {name: read_photograph(name) for name in sorted(PHOTOGRAPHS)}
    large = {name: p for name, p in photographs.items() if p.shape[0] >= height and p.shape[1] >= width}
    random = np.random.default_rng(0)
    rows = []
    for number, name in zip(range(num_images), cycle(large), strict=False):
        photograph = large[name]
        top, left = (
            int(random.integers(0, room + 1))
            for room in (photograph.shape[0] - height, photograph.shape[1] - width)
        )
        data = simplejpeg.encode_jpeg(
            np.ascontiguousarray(photograph[top : top + height, left : left + width]), quality
        )
        file = folder / name / f"{number:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        rows.append(
            {
                "path": str(file),
                "split": "train",
                "label": name,
                "width": width,
                "height": height,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), folder, np.arange(num_images))
