"""Read one image of a listing: the same pixels, limits and words for every command that reads images."""

from collections.abc import Sequence
from dataclasses import dataclass

from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels, UnreadableImageError
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import READ_ERRORS, read_image_bytes
from dino_pipeline.ingestion.listing import SourceFile


@dataclass(frozen=True)
class Limits:
    """Limits on a file: its largest size (larger files are not decoded), and the form in which it must be readable."""

    max_pixels: int
    max_bytes: int
    images: ImagesConfig


def read_bytes(file: SourceFile, limits: Limits) -> bytes:
    """The encoded bytes of a file or a member.

    Raises:
        UnreadableImageError: the file is no regular one, too large or damaged, or the file system refuses.
    """
    if file.problem is not None:
        kind, _, detail = file.problem.partition(": ")
        raise UnreadableImageError(kind, detail)
    if file.size > limits.max_bytes:
        raise UnreadableImageError("too large a file", f"{file.size:,} bytes is above {limits.max_bytes:,}")
    try:
        return read_image_bytes(file.path, file.member, file.offset, file.size)
    except UnreadableImageError:
        raise
    except KeyError as error:
        raise UnreadableImageError("cannot be read", "the archive has changed while it was read") from error
    except READ_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnreadableImageError("cannot be read", reason) from error


def decode(data: bytes, limits: Limits) -> DeepPixels:
    """Decode bytes of `read_bytes`.

    Raises:
        UnreadableImageError: as in `decode_image`, or the memory does not hold the pixels.
    """
    try:
        return decode_image(data, limits.images, max_pixels=limits.max_pixels)
    except MemoryError as error:
        raise UnreadableImageError("too many pixels", "the image does not fit into memory") from error


def said_of_problems(problems: Sequence[tuple[str, str]]) -> str:
    """The first of some files with their problems, to end a sentence with; "" for none."""
    if not problems:
        return ""
    name, problem = problems[0]
    return f", such as {name} ({problem})"
