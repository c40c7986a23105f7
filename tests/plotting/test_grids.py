"""Sheets of images: rows of tiles, right and wrong in their colours; a figure as pixels, the same each time."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.dino.evaluation.image_files import images_in
from dino_pipeline.plotting.grids import Tile, image_grid, rasterised, tile

GREEN, RED = (26, 127, 55), (207, 34, 46)


def has_color(image, color):
    return bool((np.asarray(image) == color).all(axis=-1).any())


def shown(is_right):
    return Tile(pixels=np.full((8, 8, 3), 90, dtype=np.uint8), caption="it", is_right=is_right)


def test_right_is_green_wrong_is_red_and_neither_is_neither():
    sheets = {answer: image_grid([[shown(answer)]]) for answer in (True, False, None)}
    found = {answer: (has_color(sheet, GREEN), has_color(sheet, RED)) for answer, sheet in sheets.items()}
    assert found == {True: (True, False), False: (False, True), None: (False, False)}


def test_rows_may_differ_in_length():
    rows = [[shown(None), shown(True), shown(False)], [shown(None)]]
    sheet = image_grid(rows)
    assert (sheet.mode, sheet.size) == ("RGB", (420, 320))
    assert sheet.tobytes() == image_grid(rows).tobytes()


def test_a_tile_is_the_whole_image_reduced_and_never_enlarged(tmp_path):
    Image.new("RGB", (80, 40), "teal").save(tmp_path / "a.png")
    images = images_in(tmp_path)
    assert tile(images, 0, size=20, caption="").pixels.shape == (10, 20, 3)
    assert tile(images, 0, size=200, caption="").pixels.shape == (40, 80, 3)


def test_a_figure_has_its_size_and_its_colour() -> None:
    image = rasterised(Figure(figsize=(0.4, 0.3), dpi=100, facecolor="#1a7f37"))
    assert image.mode == "RGB"
    assert image.size == (40, 30)
    assert np.unique(np.asarray(image).reshape(-1, 3), axis=0).tolist() == [[0x1A, 0x7F, 0x37]]
