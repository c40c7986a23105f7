"""TIFFs with any number of 8 or 16-bit channels, which Pillow cannot read: interleaved, planar, or in pages."""

import io
import logging
from typing import Any

import numpy as np

from dino_pipeline.dino.core.data.images import (
    DECODER_ERRORS,
    DeepPixels,
    UnreadableImageError,
    check_pixels,
    damaged,
    deep_over_white,
    main_page,
    upright,
)

_MIN_IS_WHITE, _RGB = 0, 2  # PhotometricInterpretation
_PLAIN = (_MIN_IS_WHITE, 1, _RGB)
_OPACITY = ((1,), (2,))  # ExtraSamples: colours multiplied by the opacity, or not
_ORIENTATION = 274

# tifffile logs complaints about metadata; damaged pixels raise.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read_tiff(data: bytes, *, channels: int | None, max_pixels: int | None) -> DeepPixels | None:
    """Read the first image of a TIFF as stored, upright: [H, W, channels found]. None if Pillow should read it.

    Args:
        channels: number of channels wanted; a stack of exactly that many grey pages is one image. None: the channels
            that the file itself declares.

    Raises:
        UnreadableImageError: damaged, too large, or with unsupported pixels or compression.
    """
    import tifffile  # a slow import, needed only for such files

    data = main_page(data)

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            series = file.series[0]
            first: Any = file.pages[0]
            check_pixels(first.imagewidth, first.imagelength, max_pixels)
            if first.bitspersample not in (8, 16) or first.photometric not in _PLAIN:
                return None  # bilevel, palette, YCbCr, CMYK
            if first.photometric == _RGB and first.bitspersample == 8 and channels not in (None, 4):
                return None  # colour, with or without transparency
            pages = [first]
            stacked = _num_stacked(series, named=channels is None)
            if stacked > 1 and first.samplesperpixel == 1 and channels in (None, stacked):
                pages = list(series.pages[:stacked])
            if any(_end(page) > len(data) for page in pages):
                raise UnreadableImageError(
                    "truncated", f"its {len(data):,} bytes are only a part of the image"
                )
            pixels = np.concatenate([_channels_last(page) for page in pages], axis=2)
            orientation = first.tags.valueof(_ORIENTATION, 1)
            if first.photometric == _MIN_IS_WHITE:
                pixels = np.iinfo(pixels.dtype).max - pixels
            if channels in (1, 3) and tuple(map(int, first.extrasamples)) in _OPACITY:
                pixels = deep_over_white(pixels)
            return upright(pixels, orientation)
    except UnreadableImageError:
        raise
    except DECODER_ERRORS as error:
        if "imagecodecs" in str(error):
            if first.samplesperpixel == 1 or (first.bitspersample == 8 and first.photometric == _RGB):
                return None
            raise UnreadableImageError(
                "unsupported compression",
                f"{first.compression.name}: pip install imagecodecs, or save the file with deflate or "
                "uncompressed",
            ) from error
        raise damaged(error) from error


def _num_stacked(series: Any, *, named: bool) -> int:
    """Number of pages that may be channels of one image: the length of axis C, or all pages unless C is required."""
    if "C" in series.axes:
        return int(series.shape[series.axes.index("C")]) if series.axes.endswith("CYX") else 1
    return 1 if named else len(series.pages)


def _end(page: Any) -> int:
    """The offset just after the last byte of a page's pixels."""
    parts = zip(page.dataoffsets, page.databytecounts, strict=True)
    return max((offset + count for offset, count in parts), default=0)


def _channels_last(page: Any) -> DeepPixels:
    pixels: DeepPixels = page.asarray()
    if pixels.ndim == 2:
        return pixels[:, :, None]
    return np.moveaxis(pixels, 0, 2) if page.axes == "SYX" else pixels
