"""Decoding gives the right RGB, compared with Pillow and hand-made pixels, or refuses with the reason."""

import contextlib
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from dino_pipeline.dino.core.data.images import UnreadableImageError, decode_rgb

RNG = np.random.default_rng(0)
# smooth, so that JPEG keeps it, and different under every flip and rotation
GRADIENT = np.stack(np.broadcast_arrays(*np.ogrid[10:200:24j, 240:60:40j], 90), axis=-1).astype(np.uint8)


def encode(image: Image.Image | np.ndarray, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_exactly(format: str) -> None:
    pixels = decode_rgb(encode(GRADIENT, format))
    np.testing.assert_array_equal(pixels, GRADIENT)
    assert pixels.flags.writeable, "torch.from_numpy warns otherwise"


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "JPEG2000", "GIF"])
def test_lossy_formats_equal_pillow(format: str) -> None:
    data = encode(GRADIENT, format)
    np.testing.assert_array_equal(decode_rgb(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_applies_it(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(GRADIENT, format, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    pixels = decode_rgb(data)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, np.asarray(upright))


def test_grey_jpeg_and_png_have_three_equal_channels() -> None:
    grey = GRADIENT[..., 0]
    np.testing.assert_array_equal(decode_rgb(encode(grey, "PNG")), np.stack([grey] * 3, axis=-1))
    jpeg = decode_rgb(encode(grey, "JPEG"))
    assert jpeg.shape == (24, 40, 3)
    np.testing.assert_array_equal(jpeg[..., 0], jpeg[..., 2])


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    grey = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    expected = [0, 0, 1, 128, 255]  # value x 255 / 65535, rounded
    for format in ("PNG", "TIFF"):
        assert decode_rgb(encode(grey, format))[0, :, 1].tolist() == expected


def test_sixteen_bit_ppm_is_scaled() -> None:
    data = b"P5 3 1 65535\n" + np.array([0, 32768, 65535], dtype=">u2").tobytes()
    assert decode_rgb(data)[0, :, 0].tolist() == [0, 128, 255]


def test_palette_is_looked_up() -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert decode_rgb(encode(image, "PNG")).tolist() == [[[255, 0, 0], [0, 0, 255]]]


def test_transparency_is_laid_over_white() -> None:
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    assert decode_rgb(encode(rgba, "PNG")).tolist() == [[[200, 0, 0], [255, 255, 255], [204, 204, 204]]]


def test_transparent_palette_entry_is_white() -> None:
    image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert decode_rgb(encode(image, "PNG", transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_cmyk_jpeg_is_near_the_original_colours() -> None:
    pixels = decode_rgb(encode(Image.fromarray(GRADIENT).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(pixels.astype(int) - GRADIENT).max() < 12


def test_bilevel_is_black_and_white() -> None:
    assert decode_rgb(encode(np.array([[True, False]]), "PNG"))[0, :, 0].tolist() == [255, 0]


def test_first_frame_of_an_animation() -> None:
    first, second = (Image.new("RGB", (9, 9), colour) for colour in ("red", "blue"))
    data = encode(first, "GIF", save_all=True, append_images=[second])
    assert decode_rgb(data)[4, 4].tolist() == [255, 0, 0]


def test_bytes_after_the_end_of_a_jpeg_do_no_harm() -> None:
    data = encode(GRADIENT, "JPEG")
    np.testing.assert_array_equal(decode_rgb(data + b"a phone's second picture"), decode_rgb(data))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files_are_refused(format: str, share: float) -> None:
    noise = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    data = encode(noise, format)
    with pytest.raises(UnreadableImageError) as caught:
        decode_rgb(data[: int(len(data) * share)])
    assert caught.value.kind in ("truncated", "corrupt")


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_bytes_overwritten_in_the_middle_are_refused(format: str) -> None:
    data = bytearray(encode(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8), format))
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    with pytest.raises(UnreadableImageError, match=r"corrupt|truncated"):
        decode_rgb(bytes(data))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"these are words\n", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
        (b"\xff\xd8\xff\xe0 a JPEG only by its first bytes", "truncated"),
        (b"\x89PNG\r\n\x1a\n a PNG only by its first bytes", "corrupt"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode_rgb(data)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "data", [png_header(50_000, 50_000), encode(GRADIENT, "JPEG"), encode(GRADIENT, "BMP")]
)
def test_too_many_pixels_are_refused_by_the_header(data: bytes) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode_rgb(data, max_pixels=500)
    assert caught.value.kind == "too many pixels"


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(UnreadableImageError, match="floating"):
        decode_rgb(encode(np.zeros((4, 4), dtype=np.float32), "TIFF"))


def test_random_damage_yields_pixels_or_a_reason_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for format in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
            whole = encode(GRADIENT, format)
            for _ in range(60):
                damaged = bytearray(whole)
                for position in RNG.integers(0, len(whole), 3):
                    damaged[position] = RNG.integers(0, 256)
                with contextlib.suppress(UnreadableImageError):
                    assert decode_rgb(bytes(damaged), max_pixels=10**6).dtype == np.uint8


def test_sixteen_bit_colour_png_keeps_its_high_bytes() -> None:
    pixels = np.array([[[0, 32768, 65535], [257, 512, 40000]]], dtype=">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    data = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    assert decode_rgb(data).tolist() == [[[0, 128, 255], [1, 2, 156]]]


def test_cmyk_tiff_is_its_subtractive_colour() -> None:
    ink = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], dtype=np.uint8)
    data = encode(Image.fromarray(ink, mode="CMYK"), "TIFF")
    assert decode_rgb(data).tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation_or_page_of_a_document(format: str) -> None:
    first, second = (Image.new("RGB", (9, 9), colour) for colour in ("red", "blue"))
    options = {"lossless": True} if format == "WEBP" else {}
    data = encode(first, format, save_all=True, append_images=[second], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert decode_rgb(data)[4, 4].tolist() == [255, 0, 0]


def test_an_image_of_a_hundred_million_pixels_is_read_within_the_limit() -> None:
    data = encode(Image.new("L", (12_000, 9_000), 77), "JPEG", quality=30)
    pixels = decode_rgb(data, max_pixels=120_000_000)
    assert pixels.shape == (9_000, 12_000, 3)
    with pytest.raises(UnreadableImageError, match="too many pixels"):
        decode_rgb(data, max_pixels=100_000_000)
