"""Images that a screen cannot show as they are; masks in the colours that VOC's own files have."""

import numpy as np

from dino_pipeline.plotting.pixels import colored, visible, voc_colors


def test_8_bit_rgb_is_shown_as_it_is() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    assert np.array_equal(visible(rgb), rgb)


def test_one_and_two_channels_are_grey_and_of_more_the_first_three_are_colours() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 6), dtype=np.uint8)
    assert np.array_equal(visible(pixels), pixels[:, :, :3])
    for channels in (1, 2):
        assert np.array_equal(visible(pixels[:, :, :channels]), np.repeat(pixels[:, :, :1], 3, axis=2))


def test_16_bits_are_stretched_from_black_to_white_of_the_image_that_they_belong_to() -> None:
    dark = np.array([[[1000], [2000], [3000]]], dtype=np.uint16)
    assert visible(dark)[0, :, 0].tolist() == [0, 128, 255]
    assert visible(dark[:, 1:2], like=dark)[0, 0].tolist() == [128, 128, 128]


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
