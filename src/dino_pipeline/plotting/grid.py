"""Panels in rows under titles, as one picture."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.plotting.panels import Panel
from dino_pipeline.plotting.raster import rasterised


def grid(rows: Sequence[Sequence[Panel]], labels: Sequence[str], *, cell: tuple[float, float]) -> Image.Image:
    """Titles of the first row above, a label at the left of each row.

    Args:
        rows: of equal length.
        labels: one a row.
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
