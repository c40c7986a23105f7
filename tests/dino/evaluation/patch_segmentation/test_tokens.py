"""A patch's class is that of most of its pixels."""

from collections import Counter

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.patch_segmentation.tokens import patch_labels


def test_a_case_worked_by_hand():
    mask = torch.tensor(
        [
            [3, 3, 255, 255, 9, 2],
            [3, 0, 255, 1, 2, 9],
        ],
        dtype=torch.uint8,
    )
    # a majority; mostly void; a tie, of which the smaller counts
    assert patch_labels(mask, 1, 3).tolist() == [[3, 255, 2]]


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"), [(24, 40, 3, 5), (23, 41, 3, 5), (7, 9, 7, 9)]
)
def test_it_is_what_counting_each_cells_pixels_says(height, width, rows, columns):
    mask = np.random.default_rng(0).choice([0, 1, 20, 255], (height, width)).astype(np.uint8)
    pixels: dict[tuple[int, int], list[int]] = {}
    for y in range(height):
        for x in range(width):
            pixels.setdefault((y * rows // height, x * columns // width), []).append(int(mask[y, x]))
    expected = np.full((rows, columns), -1)
    for cell, values in pixels.items():
        counts = Counter(values)
        expected[cell] = min(value for value in counts if counts[value] == max(counts.values()))
    np.testing.assert_array_equal(patch_labels(torch.from_numpy(mask), rows, columns), expected)


def test_a_patch_without_pixels_is_void():
    assert patch_labels(torch.tensor([[4]], dtype=torch.uint8), 1, 2).tolist() == [[4, 255]]
