"""What image viewers show of a file is what every reader gets, whatever the form that training asks for."""

import io
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image

from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import UnreadableImageError, decode_rgb
from dino_pipeline.dino.core.data.images_config import ImagesConfig

# smooth, so that JPEG keeps it
COLOURS = np.stack(np.broadcast_arrays(*np.ogrid[10:200:24j, 240:60:40j], 90), axis=-1).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
FORMS = [ImagesConfig(channels=channels, bits=bits) for channels in (1, 3) for bits in (8, 16)]


def encode(image, format, **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, format, **options)
    return buffer.getvalue()


def in_form(rgb, form):
    """What RGB of 8 bits is in a form, by Pillow."""
    image = Image.fromarray(rgb)
    pixels = np.array(image)[:, :, :3] if form.channels == 3 else np.array(image.convert("L"))[:, :, None]
    return pixels if form.bits == 8 else pixels.astype(np.uint16) * 257


def assert_shows(data, rgb, *, tolerance=0):
    """Every form of the file is these pixels."""
    for form in FORMS:
        decoded, expected = decode_image(data, form).astype(int), in_form(rgb, form)
        assert decoded.shape == expected.shape
        assert np.abs(decoded - expected).max() <= tolerance * (1 if form.bits == 8 else 257), form


def reasons(data):
    """The reasons that the forms give to refuse a file, without repetition."""
    found = set()
    for form in FORMS:
        with pytest.raises(UnreadableImageError) as caught:
            decode_image(data, form)
        found.add(caught.value.kind)
    return found


JPEG = encode(COLOURS, "JPEG", quality=95)
QUANTIZATION, SCAN = JPEG.index(b"\xff\xdb"), JPEG.index(b"\xff\xda")


def changed(data, position, replacement):
    return data[:position] + replacement + data[position + len(replacement) :]


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:QUANTIZATION] + b"\x00\x01\x02" + JPEG[QUANTIZATION:],
        JPEG[:SCAN] + b"\x00" * 300 + JPEG[SCAN:],
        JPEG[:-2] + bytes(1000) + JPEG[-2:],
        JPEG[:-2],
        JPEG[:-2] + bytes(100),
        JPEG + b"\x00" * 1000,
        JPEG + JPEG,
        changed(JPEG, SCAN + struct.unpack(">H", JPEG[SCAN + 2 : SCAN + 4])[0] - 1, b"\x00\x00\x00"),
    ],
    ids=[
        "bytes between segments",
        "zeros before the scan",
        "zeros before the end",
        "no end",
        "zeros for the end",
        "zeros after the end",
        "a second picture",
        "odd scan parameters",
    ],
)
def test_a_jpeg_with_a_harmless_fault_has_all_its_pixels(data):
    assert_shows(data, np.array(Image.open(io.BytesIO(JPEG))))


def test_damaged_pixels_of_a_jpeg_are_refused_in_every_form():
    noise = encode(NOISE, "JPEG")
    assert reasons(noise[: len(noise) * 9 // 10]) == {"truncated"}
    assert reasons(noise[: len(noise) * 9 // 10] + b"\xff\xd9") <= {"truncated", "corrupt"}
    assert reasons(changed(noise, len(noise) // 2, bytes(40))) == {"corrupt"}
    progressive = encode(NOISE, "JPEG", progressive=True)
    last_scan = progressive.rindex(b"\xff\xda")
    assert reasons(progressive[:last_scan]) == {"truncated"}
    ink = encode(Image.fromarray(NOISE).convert("CMYK"), "JPEG")
    assert reasons(ink[: len(ink) * 9 // 10]) == {"truncated"}


def test_no_overwritten_jpeg_passes_that_turbojpeg_refuses():
    noise = encode(NOISE, "JPEG")
    for position in range(len(noise) // 3, len(noise) - 60, 23):
        data = changed(noise, position, bytes(40))
        try:
            simplejpeg.decode_jpeg(data, strict=True)
        except ValueError:
            assert reasons(data) <= {"corrupt", "truncated"}


def test_inks_are_colours_with_and_without_adobes_transform():
    plain = encode(Image.fromarray(COLOURS).convert("CMYK"), "JPEG", quality=95)
    assert_shows(plain, COLOURS, tolerance=12)
    assert_shows(encode(Image.fromarray(COLOURS).convert("CMYK"), "TIFF"), COLOURS, tolerance=1)
    transformed = changed(plain, plain.index(b"Adobe") + 11, b"\x02")  # YCCK
    assert_shows(transformed, np.array(Image.open(io.BytesIO(transformed)).convert("RGB")))


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"icc_profile": bytes(300_000)}])
def test_a_jpeg_equals_pillow(subsampling, options):
    data = encode(NOISE, "JPEG", subsampling=subsampling, **options)
    assert_shows(data, np.array(Image.open(io.BytesIO(data))))


def orientation(kind, count, value):
    """EXIF with an orientation of any type."""
    return (
        struct.pack("<2sHIH", b"II", 42, 8, 1) + struct.pack("<HHI", 0x0112, kind, count) + value + bytes(4)
    )


def with_exif(exif):
    body = b"Exif\0\0" + exif
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + JPEG[2:]


@pytest.mark.parametrize(
    ("exif", "turned"),
    [
        (orientation(3, 1, b"\6\0\0\0"), True),
        (orientation(3, 2, b"\6\0\6\0"), True),  # two numbers
        (orientation(2, 2, b"6\0\0\0"), True),  # a text
        (orientation(11, 1, struct.pack("<f", 6)), True),
        (orientation(3, 1, b"\0\0\0\0"), False),
        (orientation(3, 1, b"\x09\0\0\0"), False),
        (orientation(3, 1, b"\xff\xff\0\0"), False),
        (b"II*\0\x08\0\0\0\xff\xff" + bytes(range(200)), False),
        (b"MM\0*" + b"\xff" * 40, False),
        (b"", False),
    ],
    ids=lambda value: "exif" if isinstance(value, bytes) else None,
)
def test_an_odd_orientation_turns_or_does_no_harm(exif, turned):
    upright = np.array(Image.open(io.BytesIO(JPEG)))
    assert_shows(with_exif(exif), np.ascontiguousarray(np.rot90(upright, -1)) if turned else upright)


def chunk(name, body, checksum=None):
    checksum = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


PNG = encode(COLOURS, "PNG")
HEADER_END, PIXELS = 33, PNG.index(b"IDAT") - 4
TEXT = b"a" * (3 << 20)


@pytest.mark.parametrize(
    "chunks",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TEXT)),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(TEXT)),
        chunk(b"iTXt", b"workflow\0\0\0\0\0" + TEXT),
        chunk(b"tEXt", b"Comment\0" + TEXT) * 30,
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(TEXT)),
        chunk(b"iCCP", b"profile\0\0no compressed bytes"),
        chunk(b"tEXt", b"Comment\0text", checksum=0),
        chunk(b"gAMA", b""),
    ],
    ids=["zTXt", "iTXt", "plain iTXt", "many tEXt", "profile", "odd profile", "checksum", "short"],
)
def test_large_or_damaged_metadata_of_a_png_do_no_harm(chunks):
    assert_shows(PNG[:HEADER_END] + chunks + PNG[HEADER_END:], COLOURS)
    assert_shows(PNG[:PIXELS] + chunks + PNG[PIXELS:], COLOURS)


def test_a_png_without_its_metadata_keeps_transparency_orientation_and_the_first_frame():
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TEXT))
    grey = encode(Image.fromarray(COLOURS[:, :, 0]), "PNG", transparency=int(COLOURS[0, 0, 0]))
    data = grey[:HEADER_END] + text + grey[HEADER_END:]
    assert decode_rgb(data)[0, 0].tolist() == [255, 255, 255]
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encode(COLOURS, "PNG", exif=exif)
    assert decode_rgb(turned[:HEADER_END] + text + turned[HEADER_END:]).shape == (40, 24, 3)
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    animated = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert decode_rgb(animated[:HEADER_END] + text + animated[HEADER_END:])[4, 4].tolist() == [255, 0, 0]


def test_damaged_pixels_of_a_png_stay_damaged_behind_its_metadata():
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TEXT))
    data = PNG[:HEADER_END] + text + PNG[HEADER_END:]
    assert reasons(changed(data, len(data) - 60, bytes(20))) <= {"corrupt", "truncated"}
    assert reasons(data[:-60]) <= {"corrupt", "truncated"}


def pages(*written):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for pixels, options in written:
            writer.write(pixels, **{"photometric": "rgb", **options})
    return buffer.getvalue()


SMALL = np.ascontiguousarray(COLOURS[::8, ::8])
REDUCED = {"subfiletype": 1}


@pytest.mark.parametrize(
    "data",
    [
        pages((SMALL, {"subifds": 1, **REDUCED}), (COLOURS, {})),  # a camera's
        pages((SMALL, REDUCED), (COLOURS, {})),
        pages((SMALL, {}), (COLOURS, {})),
        pages((SMALL, REDUCED), (SMALL, {}), (COLOURS, {}), (COLOURS[::2, ::2], REDUCED)),
        pages((COLOURS, {"subifds": 1}), (SMALL, REDUCED)),  # a pyramid
        pages((COLOURS, {}), (SMALL, REDUCED)),
        pages((COLOURS, {}), (255 - COLOURS, {})),  # a document
        pages((COLOURS, {}), (np.zeros((30, 50, 3), np.uint8), {})),  # whose second page is somewhat larger
        pages((COLOURS, {}), (np.zeros((96, 160), bool), {"subfiletype": 4, "photometric": "minisblack"})),
    ],
    ids=lambda _: "pages",
)
@pytest.mark.parametrize("kind", ["classic", "big-endian", "big"])
def test_a_tiff_is_its_main_page(data, kind):
    if kind != "classic":
        data = rewritten(data, **({"byteorder": ">"} if kind == "big-endian" else {"bigtiff": True}))
    assert_shows(data, COLOURS)


def rewritten(data, **options):
    """The same pages in another kind of TIFF."""
    buffer = io.BytesIO()
    with tifffile.TiffFile(io.BytesIO(data)) as read, tifffile.TiffWriter(buffer, **options) as writer:
        for page in read.pages:
            below = page.pages or []
            plain = {"photometric": page.photometric}
            writer.write(page.asarray(), subifds=len(below), subfiletype=int(page.subfiletype), **plain)
            for inner in below:
                writer.write(inner.asarray(), subfiletype=int(inner.subfiletype), **plain)
    return buffer.getvalue()


def test_directories_that_lead_in_a_circle_or_nowhere_do_no_harm():
    data = pages((COLOURS, {}))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first = file.pages[0].offset
    (count,) = struct.unpack_from("<H", data, first)
    following = first + 2 + 12 * count
    for offset in (first, len(data) + 99, 5):
        assert_shows(changed(data, following, struct.pack("<I", offset)), COLOURS)


def test_a_cameras_raw_file_is_named():
    sensor = pages((SMALL, {"subifds": 1, **REDUCED}), (COLOURS[:, :, 0], {"photometric": 32803}))
    assert reasons(sensor) == {"unsupported format"}
    assert reasons(b"II*\0\x10\0\0\0CR\x02\0" + bytes(100)) == {"unsupported format"}


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.uint32, np.float16, np.float32, np.float64]
)
def test_numbers_without_a_white_are_refused_in_every_form(dtype):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(64).reshape(8, 8).astype(dtype))
    assert reasons(buffer.getvalue()) == {"unsupported pixels"}


def test_transparency_is_over_white_in_every_form():
    rgba = np.array([[[200, 0, 0, 255], [200, 0, 0, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    expected = np.array([[[200, 0, 0], [255, 255, 255], [204, 204, 204]]], dtype=np.uint8)
    for format, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        assert_shows(encode(rgba, format, **options), expected)
    grey = np.ascontiguousarray(rgba[:, :, [1, 3]])
    for format in ("PNG", "TIFF"):
        assert_shows(encode(Image.fromarray(grey, "LA"), format), np.repeat(expected[:, :, 1:2], 3, axis=2))
    deep = pages((rgba.astype(np.uint16) * 257, {"extrasamples": ["unassalpha"]}))
    assert_shows(deep, expected, tolerance=1)  # luma of 16 bits is finer
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0])
    shown = np.array([[[255, 0, 0], [255, 255, 255], [127, 255, 127]]], np.uint8)
    assert_shows(encode(palette, "PNG", transparency=bytes([255, 0, 128])), shown)


def test_the_transparent_grey_of_16_bits_is_white():
    rows = b"\0" + np.array([1000, 2000], ">u2").tobytes()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 0, 0, 0, 0)) + chunk(
        b"tRNS", struct.pack(">H", 1000)
    )
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert decode_image(data, ImagesConfig(channels=1, bits=16))[0, :, 0].tolist() == [65535, 2000]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "LAB", "YCbCr"])
def test_a_tiff_of_any_colours_equals_pillow(mode):
    image = Image.fromarray(COLOURS).convert("RGB")
    if mode == "LAB":
        from PIL import ImageCms

        spaces = [ImageCms.createProfile(space) for space in ("sRGB", "LAB")]
        image = ImageCms.profileToProfile(image, *spaces, outputMode="LAB")
    else:
        image = image.convert(mode)
    data = encode(image, "TIFF")
    # The luma of the file's own grey is that grey.
    assert_shows(data, np.array(Image.open(io.BytesIO(data)).convert("RGB")))


def heic(pixels, **options):
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    pillow_heif.register_heif_opener(thumbnails=False)
    return encode(pixels, "HEIF", **options)


def test_heic_is_read_where_its_library_is_installed():
    data = heic(COLOURS, quality=95)
    assert data[4:12] == b"ftypheic"
    assert_shows(data, decode_rgb(data))
    assert np.abs(decode_rgb(data).astype(int) - COLOURS).max() < 12
    assert reasons(data[: len(data) // 2]) == {"truncated"}
    assert reasons(data[:60] + bytes(500)) == {"corrupt"}
    with pytest.raises(UnreadableImageError, match="too many pixels"):
        decode_rgb(data, max_pixels=100)
