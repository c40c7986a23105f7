"""Whole images in files that decoders complain about: the same pixels without what the complaint is about.

Every function returns bytes that are decoded strictly afterwards, so damaged pixels stay damaged.
"""

import re
import struct
from itertools import pairwise

# What a PNG decoder needs to show the image: its animation, transparency and orientation too.
_SHOWN = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"eXIf")
_XMP = b"XML:com.adobe.xmp\0\0"  # uncompressed; may give the orientation
_MAX_XMP = 1 << 20

_SINGLE_SCAN = (0xC0, 0xC1)  # start of a frame whose pixels are in one scan
_SCAN, _END = 0xDA, b"\xff\xd9"


def tolerable_jpeg(data: bytes, complaint: str) -> bytes | None:
    """A JPEG without the fault that TurboJPEG complains about, if the fault is outside the pixels; else None.

    Three faults are: bytes between the segments of the header, a first scan whose unused parameters have other values
    than a sequential JPEG's, and a missing end marker, also with zeros in its place or before it.
    """
    try:
        header, scan, frame = _jpeg_header(data)
    except (IndexError, struct.error):
        return None
    if re.search(r"extraneous bytes before marker (?!0xd9)|Invalid SOS parameters", complaint):
        return header + scan
    is_single = frame in _SINGLE_SCAN and scan.count(b"\xff\xda") == 0
    if is_single and re.search(r"Premature end|extraneous bytes before marker 0xd9", complaint):
        return header + scan.removesuffix(_END).rstrip(b"\0") + _END
    return None


def _jpeg_header(data: bytes) -> tuple[bytes, bytes, int]:
    """The segments up to the first scan's header without gaps, the bytes that follow, and the frame's marker."""
    parts, position, frame = [data[:2]], 2, 0
    while True:
        while data[position] != 0xFF or data[position + 1] in (0x00, 0xFF):
            position += 1
        marker = data[position + 1]
        (length,) = struct.unpack_from(">H", data, position + 2)
        segment = data[position : position + 2 + length]
        position += 2 + length
        if marker in (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)):
            frame = marker
        if marker == _SCAN:
            if frame in _SINGLE_SCAN:
                segment = segment[:-3] + b"\x00\x3f\x00"
            return b"".join([*parts, segment]), data[position:], frame
        parts.append(segment)


def png_without_metadata(data: bytes) -> bytes:
    """A PNG without texts, colour profile and other metadata, which a decoder may refuse for their size or checksum."""
    chunks = [8]
    while chunks[-1] + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, chunks[-1])
        chunks.append(chunks[-1] + 12 + length)
    kept = [data[:8]]
    for start, end in pairwise(chunks):
        name = data[start + 4 : start + 8]
        is_xmp = name == b"iTXt" and data[start + 8 :].startswith(_XMP) and end - start < _MAX_XMP
        if name in _SHOWN or is_xmp:
            kept.append(data[start:end])
    return b"".join(kept)
