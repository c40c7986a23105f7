"""Masks are drawn in the colours that VOC's own files have."""

import numpy as np

from dino_pipeline.plotting.mask_colors import colored, voc_colors


def test_the_palette_is_vocs() -> None:
    # aeroplane, bicycle, diningtable, tv/monitor and void, as the development kit lists them
    known = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        11: (192, 128, 0),
        20: (0, 64, 128),
        255: (224, 224, 192),
    }
    assert {value: tuple(voc_colors()[value].tolist()) for value in known} == known


def test_background_is_dimmed_and_what_the_mask_does_not_reach_is_cut_off() -> None:
    image = np.full((4, 6, 3), 100, dtype=np.uint8)
    drawn = colored(image, np.array([[0, 1]], dtype=np.uint8))
    assert drawn.shape == (1, 2, 3)
    np.testing.assert_allclose(drawn[0, 0] * 255, 50)
    np.testing.assert_allclose(drawn[0, 1] * 255, [30 + 0.7 * 128, 30, 30])
