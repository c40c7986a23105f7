"""What a person is shown of images that a screen cannot show as they are."""

import numpy as np

from dino_pipeline.plotting.pixels import visible


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
