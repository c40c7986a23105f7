"""Which page of a TIFF is its image: camera files and slides begin with a thumbnail.

TIFF 6.0, section 2 and NewSubfileType: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
SubIFDs: Adobe's TIFF Technical Note 1. BigTIFF: https://libtiff.gitlab.io/libtiff/specification/bigtiff.html
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

CLASSIC, BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS = 254, 255, 256, 257, 258
_PHOTOMETRIC, _SUB_IFDS, _SAMPLE_FORMAT = 262, 330, 339
_REDUCED, _MASK = 1, 4
_READ = {_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SUB_IFDS, _SAMPLE_FORMAT}
# BYTE, SHORT, LONG, IFD and their 64-bit forms
_FORMATS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_PAGES = 1000  # a document has no thumbnail so far behind


class Page(NamedTuple):
    """One image of a TIFF, by its directory."""

    offset: int
    width: int
    height: int
    is_reduced: bool
    is_mask: bool
    photometric: int
    sample_format: int
    bits: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height


class MainPage(NamedTuple):
    """The file with its main page in front, and that page. None where the directories cannot be read."""

    data: bytes
    page: Page | None


def with_main_page_first(data: bytes) -> MainPage:
    """Make the main page the first one that a decoder finds.

    The main page is the first, unless it calls itself a reduced image, or another page has at least twice its width and
    height. Then it is the largest page that is neither a reduced image nor a mask.
    """
    try:
        pages = list(_pages(data))
        first, *others = pages
    except (struct.error, KeyError, ValueError):
        return MainPage(data, None)
    whole = [page for page in others if not page.is_reduced and not page.is_mask]
    largest = max(whole, key=lambda page: page.area, default=first)
    is_thumbnail = first.is_reduced and largest.area > first.area
    if is_thumbnail or (largest.width >= 2 * first.width and largest.height >= 2 * first.height):
        start, form = (8, "Q") if data[:4] in BIG else (4, "I")
        offset = struct.pack(_order(data) + form, largest.offset)
        return MainPage(data[:start] + offset + data[start + len(offset) :], largest)
    return MainPage(data, first)


def _order(data: bytes) -> str:
    return "<" if data.startswith(b"II") else ">"


def _pages(data: bytes) -> Iterator[Page]:
    """The pages in the file's order, each with its SubIFDs behind it."""
    order, is_big = _order(data), data[:4] in BIG
    (first,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    waiting, seen = [first], set[int]()
    while waiting and len(seen) < _MAX_PAGES:
        offset = waiting.pop(0)
        if offset == 0 or offset in seen:
            continue
        seen.add(offset)
        tags, following = _directory(data, offset, order, is_big=is_big)
        waiting = [*tags.get(_SUB_IFDS, ()), *waiting, following]
        kind = tags.get(_NEW_SUBFILE_TYPE, (0,))[0]
        yield Page(
            offset,
            width=tags[_WIDTH][0],
            height=tags[_HEIGHT][0],
            is_reduced=bool(kind & _REDUCED) or tags.get(_SUBFILE_TYPE, (0,))[0] == 2,
            is_mask=bool(kind & _MASK),
            photometric=tags.get(_PHOTOMETRIC, (-1,))[0],
            sample_format=max(tags.get(_SAMPLE_FORMAT, (1,))),
            bits=max(tags.get(_BITS, (1,))),
        )


def _directory(
    data: bytes, offset: int, order: str, *, is_big: bool
) -> tuple[dict[int, tuple[int, ...]], int]:
    """The whole numbers of a directory by tag, and the offset of the next one."""
    count_form, entry_form, inline = ("Q", "HHQ", 8) if is_big else ("H", "HHI", 4)
    (count,) = struct.unpack_from(order + count_form, data, offset)
    position = offset + struct.calcsize(order + count_form)
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(min(count, 0xFFFF)):
        tag, kind, number = struct.unpack_from(order + entry_form, data, position)
        value = position + struct.calcsize(order + entry_form)
        position = value + inline
        if kind in _FORMATS and tag in _READ and number:
            form = f"{order}{number}{_FORMATS[kind]}"
            if struct.calcsize(form) > inline:
                (value,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, value)
            tags[tag] = struct.unpack_from(form, data, value)
    (following,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, position)
    return tags, following
