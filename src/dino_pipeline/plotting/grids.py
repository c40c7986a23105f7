"""Grids of pictures: panels under titles, and tiles with captions, marked right or wrong for search results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from dino_pipeline.dino.core.data.decoding import decode_image, stored_form
from dino_pipeline.dino.core.data.images import Pixels
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.plotting.pixels import visible

_MARKS = {True: "✓ ", False: "✗ ", None: ""}
_MAX_CAPTION = 20  # characters that fit under a tile
_FRAMES = {True: "#1a7f37", False: "#cf222e", None: "#8c959f"}


Panel = tuple[str, NDArray[Any]]  # title, RGB in [0, 1]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """An image, its caption, and whether it is right; None where that does not apply."""

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
    """Plot rows of tiles. Rows may differ in length."""
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


def grid(rows: Sequence[Sequence[Panel]], labels: Sequence[str], *, cell: tuple[float, float]) -> Image.Image:
    """Plot rows of panels, with titles above the first row and a label at the left of each row.

    Args:
        rows: rows of equal length.
        labels: one per row.
        cell: width and height of a panel with its margins, in units of 100 px.
    """
    num_columns = len(rows[0])
    figure = Figure(figsize=(cell[0] * num_columns, cell[1] * len(rows)), dpi=100, layout="tight")
    axes_grid = figure.subplots(len(rows), num_columns, squeeze=False)
    for row, (images, label) in enumerate(zip(rows, labels, strict=True)):
        for column, (title, image) in enumerate(images):
            axes = axes_grid[row][column]
            axes.imshow(image, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(title, fontsize=8)
            if column == 0:
                axes.set_ylabel(label, fontsize=7)
    return rasterised(figure)


def rasterised(figure: Figure) -> Image.Image:
    """The figure as RGB, without a window or a file. The same figure gives the same pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib does not annotate its canvas
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]


def _shortened(caption: str) -> str:
    return caption if len(caption) <= _MAX_CAPTION else f"{caption[: _MAX_CAPTION - 1]}…"
