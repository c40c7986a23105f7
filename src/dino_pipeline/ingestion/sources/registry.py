"""Open what `ingest.source` names: embedded images, a data set, a folder, an archive, a list, or several."""

import logging
from dataclasses import replace
from pathlib import Path

from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.layout import SPLIT_NAMES
from dino_pipeline.ingestion.listing import Listing, make_listing
from dino_pipeline.ingestion.sources.archive import list_tar, list_zip
from dino_pipeline.ingestion.sources.compressed_tar import decompressed
from dino_pipeline.ingestion.sources.copying import copy_source
from dino_pipeline.ingestion.sources.digits import write_digits
from dino_pipeline.ingestion.sources.file_list import SUFFIXES, list_table
from dino_pipeline.ingestion.sources.folder import list_folder
from dino_pipeline.ingestion.sources.photographs import write_photographs
from dino_pipeline.ingestion.sources.torchvision_sets import list_torchvision

_EMBEDDED = "embedded:"
_TORCHVISION = "torchvision:"

logger = logging.getLogger(__name__)


def list_sources(
    config: IngestConfig, *, project_folder: Path, raw_folder: Path, cache_folder: Path
) -> list[Listing]:
    """Everything that the sources hold, embedded images written first; no file twice.

    Each source says its splits and classes by its own folders. Of several, those whose own name is a split
    (/photos/train and /photos/val) are read as the split folders of one.

    Raises:
        ValueError: no source is given, one is not there, or it is of a kind that cannot be read.
    """
    if not config.sources:
        raise ValueError("ingest.source is not set: name your images, --params=ingest.source=/path/to/photos")
    listings, split_folders = [], []
    for source in config.sources:
        listing = _list(
            source, config, project_folder=project_folder, raw_folder=raw_folder, cache_folder=cache_folder
        )
        own_name = Path(source).name
        if len(config.sources) > 1 and own_name.lower() in SPLIT_NAMES and listing.places is None:
            split_folders.append(_below(own_name, listing))
        else:
            listings.append(listing)
    if split_folders:
        files = [file for listing in split_folders for file in listing.files]
        folders = [folder for listing in split_folders for folder in listing.folders]
        listings.append(make_listing(files, folders))
    return _without_repeats(listings)


def _list(
    name: str, config: IngestConfig, *, project_folder: Path, raw_folder: Path, cache_folder: Path
) -> Listing:
    if name.startswith(_EMBEDDED):
        return list_folder(_write_embedded(name.removeprefix(_EMBEDDED), config, raw_folder))
    if name.startswith(_TORCHVISION):
        return list_torchvision(
            name.removeprefix(_TORCHVISION),
            config.torchvision,
            project_folder=project_folder,
            raw_folder=raw_folder,
        )

    source = project_folder / Path(name).expanduser()
    if ".." in source.parts:  # only then, since a link inside the project is better kept as a relative path
        source = source.resolve()
    if not source.exists():
        raise ValueError(
            f"ingest.source: {source} does not exist: give a folder, an archive or a list of files. A relative "
            f"path starts at {project_folder}."
        )
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        if config.copy_images:
            raise ValueError(
                f"ingest.copy_images copies folders and archives, not the files that {source} names: "
                "set it to false."
            )
        return list_table(source)
    if config.copy_images:
        source = copy_source(source, raw_folder)
    if source.is_dir():
        return list_folder(source)
    if source.name.lower().endswith((".tar.gz", ".tgz")):
        max_bytes = config.max_unpacked_gigabytes * 10**9
        return list_tar(decompressed(source, cache_folder=cache_folder, max_bytes=max_bytes))
    if source.suffix.lower() == ".tar":
        return list_tar(source)
    if source.suffix.lower() == ".zip":
        return list_zip(source)
    raise ValueError(
        f"ingest.source: {source} is neither a folder nor a .tar, .tar.gz, .tgz or .zip, nor a list "
        f"({', '.join(SUFFIXES)}): unpack it and give the folder."
    )


def _write_embedded(name: str, config: IngestConfig, raw_folder: Path) -> Path:
    folder = raw_folder / name
    if name == "photographs":
        write_photographs(folder, config.photographs)
    elif name == "digits":
        write_digits(folder)
    else:
        raise ValueError(f"ingest.source: no embedded images {name!r}, only photographs and digits")
    return folder


def _below(folder: str, listing: Listing) -> Listing:
    files = [replace(file, name=f"{folder}/{file.name}") for file in listing.files]
    return Listing(files, {folder} | {f"{folder}/{name}" for name in listing.folders})


def _without_repeats(listings: list[Listing]) -> list[Listing]:
    """Each file counts where it is first met: a folder may be named twice, or lie inside another."""
    seen: set[tuple[str, str | None]] = set()
    single = []
    for listing in listings:
        files = [file for file in listing.files if (file.path, file.member) not in seen]
        seen.update((file.path, file.member) for file in files)
        single.append(replace(listing, files=files))
    num_repeats = sum(len(listing.files) for listing in listings) - len(seen)
    if num_repeats:
        logger.warning("%d files are named more than once by ingest.source and count once", num_repeats)
    return single
