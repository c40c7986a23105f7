"""Pixels of any channels and depth come out as they were written, and damage is told."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from dino_pipeline.dino.core.data.decoding import decode_image, stored_form
from dino_pipeline.dino.core.data.images import UnreadableImageError, decode_rgb
from dino_pipeline.dino.core.data.images_config import ImagesConfig


def wanted(channels, bits=8):
    return ImagesConfig(channels=channels, bits=bits)


def noise(channels, bits=8, height=17, width=23):
    pixels = np.random.default_rng(channels).integers(0, 2**bits, (height, width, channels))
    return pixels.astype(np.uint8 if bits == 8 else np.uint16)


def tiff(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def interleaved(pixels, **options):
    return tiff(pixels, photometric="minisblack", planarconfig="contig", **options)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def deep_png(pixels):
    import cv2

    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    return cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, order]))[1].tobytes()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("layout", ["contig", "separate", "pages", "imagej"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_of_any_layout_keeps_every_channel_and_bit(channels, bits, layout, compression):
    pixels = noise(channels, bits)
    if channels == 1 or layout == "contig":
        options = {} if channels == 1 else {"planarconfig": "contig"}
        data = tiff(pixels.squeeze(), photometric="minisblack", compression=compression, **options)
    elif layout == "separate":
        data = tiff(
            np.moveaxis(pixels, 2, 0), photometric="minisblack", planarconfig=layout, compression=compression
        )
    elif layout == "pages":
        data = tiff(np.moveaxis(pixels, 2, 0), photometric="minisblack", compression=compression)
    else:
        planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
        data = tiff(planes, imagej=True, metadata={"axes": "CYX"}, compression=compression)
    decoded = decode_image(data, wanted(channels, bits))
    assert np.array_equal(decoded, pixels)
    assert decoded.flags.c_contiguous


def test_of_a_grey_document_the_first_page_is_the_image():
    pages = np.random.default_rng(0).integers(0, 256, (4, 9, 8)).astype(np.uint8)
    data = tiff(pages, photometric="minisblack")
    assert np.array_equal(decode_image(data, wanted(1))[:, :, 0], pages[0])
    with pytest.raises(UnreadableImageError, match=r"has 1, but pretrain.images.channels is 5"):
        decode_image(data, wanted(5))


def test_16_bit_grey_keeps_its_depth_and_is_scaled_only_where_asked():
    pixels = noise(1, 16)
    for data in (encoded(Image.fromarray(pixels[:, :, 0])), tiff(pixels[:, :, 0])):
        assert np.array_equal(decode_image(data, wanted(1, 16)), pixels)
        assert np.array_equal(decode_image(data, wanted(1)), np.round(pixels / 257))
        assert np.array_equal(decode_image(data, wanted(3, 16)), np.repeat(pixels, 3, axis=2))
        assert np.array_equal(decode_image(data, wanted(3)), decode_rgb(data))


def test_16_bit_colour_keeps_its_depth():
    pixels = noise(3, 16)
    for data in (deep_png(pixels), tiff(pixels, photometric="rgb")):
        assert np.array_equal(decode_image(data, wanted(3, 16)), pixels)
    transparent = noise(4, 16)
    assert np.array_equal(decode_image(deep_png(transparent), wanted(4, 16)), transparent)
    opacity = transparent[:, :, 3:] / 65535
    over_white = transparent[:, :, :3] * opacity + 65535 * (1 - opacity)
    assert np.array_equal(decode_image(deep_png(transparent), wanted(3, 16)), np.round(over_white))


def test_white_stays_white_between_depths():
    white = encoded(Image.new("L", (8, 8), 255))
    assert (decode_image(white, wanted(1, 16)) == 65535).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_colour_becomes_grey_as_pillow_does_it(kind):
    data = encoded(Image.fromarray(noise(3)), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert np.array_equal(decode_image(data, wanted(1))[:, :, 0], expected)
    deep = noise(3, 16)
    exact = deep.astype(float) @ (0.299, 0.587, 0.114)
    np.testing.assert_allclose(decode_image(deep_png(deep), wanted(1, 16))[:, :, 0], exact, atol=1)


def test_transparency_is_a_channel_only_where_so_many_are_asked_for():
    pixels = noise(4)
    data = encoded(Image.fromarray(pixels))
    assert np.array_equal(decode_image(data, wanted(4)), pixels)
    luma = np.asarray(Image.fromarray(decode_rgb(data)).convert("L"))
    assert np.array_equal(decode_image(data, wanted(1))[:, :, 0], luma)


def test_an_image_is_turned_upright():
    pixels = noise(5)
    data = interleaved(pixels, extratags=[(274, "H", 1, 6, True)])
    assert np.array_equal(decode_image(data, wanted(5)), np.rot90(pixels, -1))


def test_lzw_is_left_to_pillow_where_it_reads_it():
    pixels = noise(1, 16)
    data = encoded(Image.fromarray(pixels[:, :, 0]), "TIFF", compression="tiff_lzw")
    assert np.array_equal(decode_image(data, wanted(1, 16)), pixels)


def test_white_is_zero_in_some_tiffs():
    pixels = noise(1)
    assert np.array_equal(
        decode_image(tiff(pixels[:, :, 0], photometric="miniswhite"), wanted(1)), 255 - pixels
    )


@pytest.mark.parametrize(
    ("data", "channels", "bits"),
    [
        (encoded(Image.fromarray(noise(3)), "JPEG"), 3, 8),
        (encoded(Image.fromarray(noise(1)[:, :, 0])), 3, 8),
        (encoded(Image.fromarray(noise(4))), 3, 8),
        (encoded(Image.fromarray(noise(1, 16)[:, :, 0])), 1, 16),
        (deep_png(noise(3, 16)), 3, 16),
        (interleaved(noise(5)), 5, 8),
        (interleaved(noise(2, 16)), 2, 16),
        (tiff(noise(3), photometric="rgb"), 3, 8),
        (tiff(np.moveaxis(noise(5), 2, 0).copy(), imagej=True, metadata={"axes": "CYX"}), 5, 8),
        (
            tiff(np.moveaxis(noise(5), 2, 0).copy(), photometric="minisblack"),
            3,
            8,
        ),  # a document of grey pages
    ],
)
def test_the_form_that_loses_nothing_is_told(data, channels, bits):
    assert stored_form(data) == wanted(channels, bits)


def test_a_transparent_tiff_is_colour_over_white():
    data = encoded(Image.fromarray(noise(4)), "TIFF")
    assert np.array_equal(decode_image(data, wanted(4)), noise(4))
    luma = np.asarray(Image.fromarray(decode_rgb(data)).convert("L"))
    assert np.array_equal(decode_image(data, wanted(1))[:, :, 0], luma)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"no image", "not an image"),
        (interleaved(noise(5))[:-100], "truncated"),
        (interleaved(noise(5))[:40], "corrupt"),
        (deep_png(noise(3, 16))[:-500], "truncated"),
        (interleaved(noise(5).astype(np.float32)), "unsupported pixels"),
        (interleaved(noise(5).astype(np.int16)), "unsupported pixels"),
        (encoded(Image.fromarray(noise(3))), "other channels"),
        (interleaved(noise(4)), "other channels"),
    ],
)
def test_what_cannot_be_read_says_why(data, kind):
    with pytest.raises(UnreadableImageError) as caught:
        decode_image(data, wanted(5, 16))
    assert caught.value.kind == kind


def test_a_file_of_too_many_pixels_is_refused_by_its_header():
    with pytest.raises(UnreadableImageError, match="23x17 is above 100"):
        decode_image(interleaved(noise(5)), wanted(5), max_pixels=100)
