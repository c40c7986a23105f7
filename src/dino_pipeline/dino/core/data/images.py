"""From encoded bytes to RGB pixels: one decoder for ingestion and training, which never guesses at damage."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]
DeepPixels = NDArray[Any]  # uint8 or uint16

# Named, so that a file can only reach decoders of plain pictures (Pillow would hand an .eps to Ghostscript).
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")

# A file that begins like a picture and cannot be opened is a damaged picture, not something else.
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....(ftypavi|jP  )", re.DOTALL
)

# What readers raise on damaged files.
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

# The pixel limit is `max_pixels`, and every image of a manifest has passed it; Pillow's own would warn or
# refuse by a number that no configuration knows.
Image.MAX_IMAGE_PIXELS = None


class UnreadableImageError(ValueError):
    """Bytes that do not decode to a whole image.

    Attributes:
        kind: what is wrong, in a few words that repeat from file to file ("truncated", "not an image", ...).
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


def decode_rgb(data: bytes, *, max_pixels: int | None = None) -> Pixels:
    """Decode an image to RGB as a person sees it: upright by EXIF orientation, an animation's first frame.

    Transparency is laid over white, 16-bit grey scaled from 0..65535 to 0..255, colour profiles ignored.

    Args:
        data: the encoded file.
        max_pixels: refuse a larger image by its header, before a pixel is decoded.

    Returns:
        uint8 [height, width, 3], contiguous.

    Raises:
        UnreadableImageError: empty, not an image, truncated, corrupt or larger than `max_pixels`.
    """
    if not data:
        raise UnreadableImageError("empty", "")
    if data.startswith(b"\xff\xd8"):
        try:
            height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data, strict=False)
        except (ValueError, KeyError):  # damaged, or of a layout TurboJPEG leaves out: Pillow tells which
            colorspace = "unknown"
        if colorspace not in ("unknown", "CMYK", "YCCK"):
            check_pixels(width, height, max_pixels)
            return upright(_decode_jpeg(data), _jpeg_orientation(data))
    return decode_with_pillow(data, max_pixels, _to_rgb)


def check_pixels(width: int, height: int, max_pixels: int | None) -> None:
    """Refuse an image that is too large by its header."""
    if max_pixels is not None and width * height > max_pixels:
        raise UnreadableImageError("too many pixels", f"{width}x{height} is above {max_pixels:,}")


def _decode_jpeg(data: bytes) -> Pixels:
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except ValueError as error:
        raise damaged(error) from error
    return pixels


def _jpeg_orientation(data: bytes) -> int:
    # The two places that can hold an orientation; most files of a data set have neither, and searching costs
    # microseconds where Pillow's header costs a fifth of decoding a small image.
    if b"Exif\x00\x00" not in data and b"tiff:Orientation" not in data:
        return 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # broken metadata beside good pixels
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                return int(image.getexif().get(ExifTags.Base.Orientation, 1))
        except DECODER_ERRORS:
            return 1


def upright(pixels: DeepPixels, orientation: int) -> DeepPixels:
    """Turn [H, W, channels] by EXIF's number for its orientation."""
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
    """What `convert` makes of an image that Pillow opens, upright.

    Raises:
        UnreadableImageError: as `decode_rgb`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of metadata; what is wrong with the pixels raises
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                check_pixels(*image.size, max_pixels)
                image.load()
                return convert(ImageOps.exif_transpose(image))
        except UnreadableImageError:
            raise
        except UnidentifiedImageError as error:
            if _SIGNATURE.match(data):
                raise UnreadableImageError("corrupt", "its header cannot be read") from error
            raise UnreadableImageError("not an image", f"none of {', '.join(FORMATS)}") from error
        except DECODER_ERRORS as error:
            raise damaged(error) from error


def damaged(error: BaseException) -> UnreadableImageError:
    """A reader's own error in the terms of this module."""
    kind = "truncated" if isinstance(error, EOFError) or _TRUNCATED.search(str(error)) else "corrupt"
    return UnreadableImageError(kind, " ".join(str(error).split()))


def _to_rgb(image: Image.Image) -> Pixels:
    if is_deep_grey(image):
        return np.repeat(to_8_bits(deep_grey(image))[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise UnreadableImageError("unsupported pixels", "floating-point images have no defined white")
    return np.array(over_white(image).convert("RGB"))  # a copy: torch wants it writable


def over_white(image: Image.Image) -> Image.Image:
    """The image, laid over white where it has transparency."""
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def is_deep_grey(image: Image.Image) -> bool:
    """Whether it is one of Pillow's modes for grey of more than 8 bits."""
    return image.mode == "I" or image.mode.startswith("I;16")


def deep_grey(image: Image.Image) -> NDArray[np.uint16]:
    """Grey of more than 8 bits as uint16 [H, W]; Pillow's own conversion clips at 255, and turns most white."""
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise UnreadableImageError("unsupported pixels", "32-bit grey has no defined white")
    return grey.astype(np.uint16)


def to_8_bits(pixels: NDArray[np.uint16]) -> Pixels:
    """0..65535 to 0..255."""
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
