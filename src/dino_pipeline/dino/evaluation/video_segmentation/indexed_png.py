"""Label maps as indexed PNG files, which DAVIS's own tools read."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dino_pipeline.dino.evaluation.video_segmentation.videos import Labels


def write_indexed(labels: Labels, file: Path) -> None:
    """Write object numbers [height, width] in PASCAL VOC's colours, which are DAVIS's."""
    image = Image.fromarray(labels).convert("P")
    image.putpalette(palette().tobytes())
    image.save(file)


def palette() -> NDArray[np.uint8]:
    """RGB [256, 3]: bits 0, 1, 2 of a number are the highest bits of red, green, blue, bits 3, 4, 5 the next, ..."""
    numbers = np.arange(256)[:, None]
    colors = np.zeros((256, 3), np.uint8)
    for place in range(3):
        colors |= (((numbers >> (3 * place + np.arange(3))) & 1) << (7 - place)).astype(np.uint8)
    return colors
