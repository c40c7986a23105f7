"""Decode encoded bytes to RGB pixels. Ingestion and training share this decoder; damaged files are errors."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from dino_pipeline.dino.core.data.repairs import png_without_metadata, tolerable_jpeg
from dino_pipeline.dino.core.data.tiff_pages import BIG, CLASSIC, with_main_page_first
from dino_pipeline.dino.file_kinds import describe

Pixels = NDArray[np.uint8]
DeepPixels = NDArray[Any]  # uint8 or uint16

# An explicit list, so that files reach only decoders of plain images (Pillow would hand an .eps to Ghostscript).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")

# A file with such a beginning that cannot be opened is a damaged image.
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....(ftypavi|jP  )", re.DOTALL
)
# HEIC by its brands (ISO/IEC 23008-12). The general brands also begin an AVIF, which names itself behind them.
_HEIC = re.compile(rb"....ftyp(hei[cmsx]|hev[cmsx]|(mif1|msf1)(?!.{0,48}avif))", re.DOTALL)

_SENSOR = (32803, 34892)  # PhotometricInterpretation: colour filter array, and LinearRaw of DNG
_NO_WHITE = (2, 3, 5, 6)  # SampleFormat: signed, floating point, complex

# Exceptions that readers raise on damaged files.
DECODER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_TRUNCATED = re.compile(r"truncat|premature|unexpected end|not enough|unprocessed", re.IGNORECASE)

# `max_pixels` is the limit, and every image of a manifest has passed it. Pillow's own limit would warn or fail at a
# number that no configuration sets.
Image.MAX_IMAGE_PIXELS = None


class UnreadableImageError(ValueError):
    """Bytes that do not decode to a whole image.

    Attributes:
        kind: the problem in a few words that are equal for many files ("truncated", "not an image", ...).
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


def decode_rgb(data: bytes, *, max_pixels: int | None = None) -> Pixels:
    """Decode an image to RGB as it is displayed: upright by its EXIF orientation, first frame of an animation.

    Transparency is composited over white, 16-bit grey is scaled from 0..65535 to 0..255, colour profiles are ignored.

    Args:
        data: the encoded file.
        max_pixels: reject a larger image by its header, before decoding.

    Returns:
        uint8 [height, width, 3], contiguous.

    Raises:
        UnreadableImageError: empty, not an image, truncated, corrupt or larger than `max_pixels`.
    """
    if not data:
        raise UnreadableImageError("empty", "")
    pixels = decode_jpeg(data, max_pixels)
    if pixels is None:
        return decode_with_pillow(data, max_pixels, _to_rgb)
    return pixels


def check_pixels(width: int, height: int, max_pixels: int | None) -> None:
    """Raise `UnreadableImageError` if the header gives more than `max_pixels` pixels."""
    if max_pixels is not None and width * height > max_pixels:
        raise UnreadableImageError("too many pixels", f"{width}x{height} is above {max_pixels:,}")


def decode_jpeg(data: bytes, max_pixels: int | None, *, keep_grey: bool = False) -> Pixels | None:
    """Decode a JPEG to RGB, upright; with `keep_grey` a grey one to [H, W, 1]. None if Pillow should read the file.

    TurboJPEG reports damage inside the pixels, which Pillow fills with grey.

    Raises:
        UnreadableImageError: as in `decode_rgb`.
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, stored, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError):  # damaged, or a layout that TurboJPEG does not support; Pillow finds out
        return None
    if stored == "unknown":
        return None
    check_pixels(width, height, max_pixels)
    colours = "CMYK" if stored in ("CMYK", "YCCK") else "GRAY" if stored == "Gray" and keep_grey else "RGB"
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace=colours, strict=True)
    except ValueError as error:
        tolerable = tolerable_jpeg(data, str(error))
        if tolerable is None:
            raise damaged(error) from error
        try:
            pixels = simplejpeg.decode_jpeg(tolerable, colorspace=colours, strict=True)
        except ValueError:
            raise damaged(error) from error
    if colours == "CMYK":  # inverted by Adobe's convention
        pixels = np.array(Image.fromarray(255 - pixels, "CMYK").convert("RGB"))
    return upright(pixels, _jpeg_orientation(data))


def _jpeg_orientation(data: bytes) -> int:
    # An orientation stands in one of these two places. Most files have neither, and this search takes microseconds,
    # while reading the header with Pillow takes a fifth of the time to decode a small image.
    if b"Exif\x00\x00" not in data and b"tiff:Orientation" not in data:
        return 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata beside intact pixels
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                return int(image.getexif().get(ExifTags.Base.Orientation, 1))
        except DECODER_ERRORS:
            return 1


def upright(pixels: DeepPixels, orientation: int) -> DeepPixels:
    """Turn [H, W, channels] upright, given EXIF's orientation number."""
    if orientation in (5, 6, 7, 8):  # stored with rows and columns exchanged
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def decode_with_pillow(
    data: bytes, max_pixels: int | None, convert: Callable[[Image.Image], DeepPixels]
) -> DeepPixels:
    """Open an image with Pillow, turn it upright, and return the result of `convert`.

    Raises:
        UnreadableImageError: as in `decode_rgb`.
    """
    if data.startswith(CLASSIC + BIG):
        data = main_page(data)
    formats = _formats(data)
    try:
        return _open(data, formats, max_pixels, convert)
    except UnreadableImageError as error:
        if not data.startswith(b"\x89PNG") or error.kind == "too many pixels":
            raise
        plain = png_without_metadata(data)
        if len(plain) == len(data):
            raise
        return _open(plain, formats, max_pixels, convert)


def _open(
    data: bytes,
    formats: tuple[str, ...],
    max_pixels: int | None,
    convert: Callable[[Image.Image], DeepPixels],
) -> DeepPixels:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about metadata; damaged pixels raise
        try:
            with Image.open(io.BytesIO(data), formats=formats) as image:
                check_pixels(*image.size, max_pixels)
                image.load()
                return convert(ImageOps.exif_transpose(image))
        except UnreadableImageError:
            raise
        except UnidentifiedImageError as error:
            if _SIGNATURE.match(data) or _HEIC.match(data):
                raise UnreadableImageError("corrupt", "its header cannot be read") from error
            raise UnreadableImageError(*describe(data)) from error
        except DECODER_ERRORS as error:
            raise damaged(error) from error


def main_page(data: bytes) -> bytes:
    """A TIFF with its main page in front, see `with_main_page_first`.

    Raises:
        UnreadableImageError: the pixels have no defined white, or are a sensor's.
    """
    data, page = with_main_page_first(data)
    if (page and page.photometric in _SENSOR) or data[8:10] == b"CR":  # Canon's mark
        raise UnreadableImageError(
            "unsupported format", "a camera's raw file: develop it to JPEG, PNG or a plain TIFF first"
        )
    if page and (page.sample_format in _NO_WHITE or page.bits > 16):
        raise UnreadableImageError(
            "unsupported pixels",
            "signed, floating-point and 32-bit pixels have no defined white: save them as 8 or 16 bits",
        )
    return data


def _formats(data: bytes) -> tuple[str, ...]:
    if not _HEIC.match(data):
        return FORMATS
    if not _has_heic():
        raise UnreadableImageError(*describe(data))
    return ("HEIF",)


@lru_cache(maxsize=1)
def _has_heic() -> bool:
    """Whether the optional reader of HEIC is installed; this registers it with Pillow."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


def damaged(error: BaseException) -> UnreadableImageError:
    """Convert a reader's exception to `UnreadableImageError`."""
    kind = "truncated" if isinstance(error, EOFError) or _TRUNCATED.search(str(error)) else "corrupt"
    return UnreadableImageError(kind, " ".join(str(error).split()))


def _to_rgb(image: Image.Image) -> Pixels:
    if is_deep_grey(image):
        return np.repeat(to_8_bits(deep_grey(image))[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise UnreadableImageError("unsupported pixels", "floating-point images have no defined white")
    return np.array(over_white(image).convert("RGB"))  # a copy, because torch needs writable memory


def over_white(image: Image.Image) -> Image.Image:
    """Composite an image with transparency over white; return other images as they are."""
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def deep_over_white(pixels: DeepPixels) -> DeepPixels:
    """Composite [H, W, colours and opacity] over white."""
    white = np.iinfo(pixels.dtype).max
    opacity = pixels[:, :, -1:] / white
    laid = pixels[:, :, :-1] * opacity + white * (1 - opacity)
    return np.round(laid).astype(pixels.dtype)


def is_deep_grey(image: Image.Image) -> bool:
    """Whether an image has one of Pillow's modes for grey with more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;16")


def deep_grey(image: Image.Image) -> NDArray[np.uint16]:
    """Grey of more than 8 bits as uint16 [H, W]. Pillow's own conversion clips at 255, so most pixels become white."""
    grey = np.array(image)
    if (transparent := image.info.get("transparency")) is not None:
        grey[grey == transparent] = 65535
    if grey.min() < 0 or grey.max() > 65535:
        raise UnreadableImageError("unsupported pixels", "32-bit grey has no defined white")
    return grey.astype(np.uint16)


def to_8_bits(pixels: NDArray[np.uint16]) -> Pixels:
    """Scale 0..65535 to 0..255, with rounding."""
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
