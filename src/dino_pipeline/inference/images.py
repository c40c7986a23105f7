"""The images that a command is given, read as ingest reads them, and the files that it leaves out."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.weights.older_files import completed
from dino_pipeline.inference.loading import Say
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.listing import Listing, SourceContext, said_of_left_out
from dino_pipeline.ingestion.reading import Limits
from dino_pipeline.ingestion.sources.registry import list_path

# Files that lie beside images and are none: leaving them out is no failure.
_BESIDE = (
    ".txt",
    ".json",
    ".xml",
    ".yml",
    ".yaml",
    ".csv",
    ".tsv",
    ".md",
    ".html",
    ".cls",
    ".npy",
    ".db",
    ".ini",
)


@dataclass(frozen=True)
class LeftOut:
    """A file without a result, and the reason."""

    name: str
    problem: str

    @property
    def is_failure(self) -> bool:
        """Whether this was to be an image: damaged, unreadable, or of a name that is no sidecar file's."""
        return not (self.problem.startswith("not an image") and self.name.lower().endswith(_BESIDE))


@contextmanager
def listed(
    images: Path, ingest: dict[str, Any], *, outputs: Collection[Path], scratch: Path
) -> Iterator[Listing]:
    """List a folder, an archive, a list of files, or one image.

    Args:
        ingest: the values of `ingest`, which have the limits.
        outputs: what the command writes, which is no input.
        scratch: an existing folder; a compressed archive is unpacked below it for the duration of the block.

    Raises:
        ValueError: there is no such path, or it is refused.
    """
    if not images.exists():
        raise ValueError(f"{images} does not exist")
    config = from_dict(IngestConfig, completed({"ingest": ingest})["ingest"])
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=scratch) as cache:
        context = SourceContext(config, images.parent, Path(cache), Path(cache))
        yield list_path(images, context, outputs=outputs)


def limits(ingest: dict[str, Any], images: ImagesConfig) -> Limits:
    """Ingest's limits for a model that takes such images."""
    return Limits(ingest["max_pixels"], ingest["max_file_megabytes"] * 10**6, images)


def said_of(listing: Listing, say: Say) -> None:
    """Say what is no input, if there is anything."""
    if listing.left_out:
        say(f"No input: {said_of_left_out(listing.left_out)}")


def said_of_failures(left_out: Sequence[LeftOut], num_files: int) -> str:
    """The last line: how many files of how many were left out, with the first names."""
    failures = [file for file in left_out if file.is_failure]
    if not failures:
        return ""
    names = ", ".join(f"{file.name} ({file.problem})" for file in failures[:3])
    more = f" and {len(failures) - 3:,} more" if len(failures) > 3 else ""
    return f"Left out {len(failures):,} of {num_files:,} files: {names}{more}\n"
