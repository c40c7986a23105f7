"""A figure as pixels: its size in inches times its resolution, its colours as set."""

import numpy as np
from matplotlib.figure import Figure

from dino_pipeline.plotting.raster import rasterised


def test_a_figure_has_its_size_and_its_colour() -> None:
    image = rasterised(Figure(figsize=(0.4, 0.3), dpi=100, facecolor="#1a7f37"))
    assert image.mode == "RGB"
    assert image.size == (40, 30)
    assert np.unique(np.asarray(image).reshape(-1, 3), axis=0).tolist() == [[0x1A, 0x7F, 0x37]]
