"""A sheet of images in rows, each with a caption and, where it was found by a search, a mark for right or wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.dino.core.data.decoding import decode_image, stored_form
from dino_pipeline.dino.core.data.images import Pixels
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.plotting.pixels import visible
from dino_pipeline.plotting.raster import rasterised

_MARKS = {True: "✓ ", False: "✗ ", None: ""}
_MAX_CAPTION = 20  # characters, which a tile is wide
_FRAMES = {True: "#1a7f37", False: "#cf222e", None: "#8c959f"}


@dataclass(frozen=True, kw_only=True)
class Tile:
    """An image, what stands above it, and whether it is right; None where that is no question."""

    pixels: Pixels
    caption: str
    is_right: bool | None = None


def tile(images: Manifest, position: int, *, size: int, caption: str, is_right: bool | None = None) -> Tile:
    """The whole image at a position, reduced to `size` pixels on its longer side."""
    data = images.read_bytes(position)
    image = Image.fromarray(visible(decode_image(data, stored_form(data))))
    image.thumbnail((size, size))
    return Tile(pixels=np.asarray(image), caption=caption, is_right=is_right)


def image_grid(rows: Sequence[Sequence[Tile]]) -> Image.Image:
    """Draw rows of tiles; a shorter row ends early."""
    num_columns = max(map(len, rows))
    figure = Figure(figsize=(1.4 * num_columns, 1.6 * len(rows)), dpi=100, layout="tight")
    for row, axes_of_row in zip(rows, figure.subplots(len(rows), num_columns, squeeze=False), strict=True):
        for axes in axes_of_row[len(row) :]:
            axes.set_axis_off()
        for shown, axes in zip(row, axes_of_row, strict=False):
            axes.imshow(shown.pixels, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(
                _MARKS[shown.is_right] + _shortened(shown.caption),
                fontsize=8,
                color="black" if shown.is_right is None else _FRAMES[shown.is_right],
            )
            for spine in axes.spines.values():
                spine.set(color=_FRAMES[shown.is_right], linewidth=1 if shown.is_right is None else 2.5)
    return rasterised(figure)


def _shortened(caption: str) -> str:
    return caption if len(caption) <= _MAX_CAPTION else f"{caption[: _MAX_CAPTION - 1]}…"
