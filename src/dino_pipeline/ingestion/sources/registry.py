"""The kinds of sources, and the listing of every image that `ingest.source` names.

A new kind of source takes one file in this folder and one line in `NAMED`, `EMBEDDED` or `FILES`.
"""

import json
import logging
import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from dino_pipeline.dino.partial import partial_name, remove_leftovers, written_whole
from dino_pipeline.dino.progress import with_progress
from dino_pipeline.dino.tables.reading import ENDINGS as LISTS
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.listing import Listing, SourceContext, identities, make_listing
from dino_pipeline.ingestion.sources.archive import ENDINGS, list_archive
from dino_pipeline.ingestion.sources.digits import write_digits
from dino_pipeline.ingestion.sources.file_list import list_table
from dino_pipeline.ingestion.sources.folder import list_folder, source_file
from dino_pipeline.ingestion.sources.photographs import write_photographs
from dino_pipeline.ingestion.sources.torchvision_sets import list_torchvision
from dino_pipeline.ingestion.split_names import described, how_to_change, read_split_names, refuse_doubt

# Images inside installed packages, with functions that write them into a folder.
EMBEDDED: dict[str, Callable[[Path, IngestConfig], None]] = {
    "photographs": lambda folder, config: write_photographs(folder, config.photographs),
    "digits": lambda folder, _: write_digits(folder),
}


def _list_embedded(name: str, context: SourceContext) -> Listing:
    if name not in EMBEDDED:
        raise ValueError(
            f"ingest.source: there are no embedded images {name!r}, only {' and '.join(EMBEDDED)}"
        )
    EMBEDDED[name](context.raw_folder / name, context.config)
    return list_folder(context.raw_folder / name)


# Sources with a name instead of a path, by their prefix. The function takes the text after the prefix.
NAMED: dict[str, Callable[[str, SourceContext], Listing]] = {
    "embedded:": _list_embedded,
    "torchvision:": list_torchvision,
}

# Files that name or contain images, by the end of their name. A folder needs no line here.
FILES: dict[str, Callable[[Path, SourceContext], Listing]] = {
    **dict.fromkeys(LISTS, lambda path, context: list_table(path, context.config)),
    **dict.fromkeys(ENDINGS, list_archive),
}

_COPY_NOTE = ".copied_by_ingest.json"

logger = logging.getLogger(__name__)


def list_sources(context: SourceContext) -> list[Listing]:
    """List every file of `ingest.source` once. Embedded images are written first.

    The folders of each source name its splits and classes. Sources whose own names are splits
    (/photos/train and /photos/val) are read together, as the split folders of one source.

    Raises:
        ValueError: no source is given, a source does not exist, or its kind is unknown.
    """
    sources = context.config.sources
    if not sources:
        raise ValueError(
            "ingest.source is not set: give your images, for example --params=ingest.source=/path/to/photos"
        )
    own_names = {source: _own_name(source) for source in sources} if len(sources) > 1 else {}
    names = read_split_names(set(own_names.values()), context.config.splits)
    refuse_doubt(names, own_names.values())
    if names.guessed:
        logger.warning(
            "Sources are splits by their names: %s. %s", described(names, names.splits), how_to_change(names)
        )
    listings, split_folders = [], []
    for source in sources:
        listing = _list(source, context)
        split = names.splits.get(own_names.get(source, ""))
        if split and listing.places is None:
            split_folders.append(_below(split, listing))
        elif split and not listing.has_splits and listing.places is not None:
            places = {name: place._replace(split=split) for name, place in listing.places.items()}
            listings.append(replace(listing, places=places))
        else:
            listings.append(listing)
    if split_folders:
        files = [file for listing in split_folders for file in listing.files]
        folders = [folder for listing in split_folders for folder in listing.folders]
        left_out = [one for listing in split_folders for one in listing.left_out]
        listings.append(make_listing(files, folders, left_out=left_out))
    return _without_repeats(listings)


def _own_name(source: str) -> str:
    """The last part of a source's path without the ending of an archive or a list."""
    if source.startswith(tuple(NAMED)):
        return source
    name = Path(source).name
    ending = max((ending for ending in FILES if name.lower().endswith(ending)), key=len, default="")
    return name.removesuffix(name[len(name) - len(ending) :]) if ending else name


def _list(source: str, context: SourceContext) -> Listing:
    for prefix, list_named in NAMED.items():
        if source.startswith(prefix):
            return list_named(source.removeprefix(prefix), context)

    path = context.project_folder / Path(source).expanduser()
    if ".." in path.parts:  # only then, since a link inside the project is better as a relative path
        path = path.resolve()
    if not path.exists():
        raise ValueError(
            f"ingest.source: {path} does not exist: give a folder, an archive or a list of files. A relative "
            f"path starts at {context.project_folder}."
        )
    if not path.is_dir() and not is_listed(path):
        raise ValueError(
            f"ingest.source: {path} is neither a folder nor a file that ends with one of {', '.join(FILES)}: give the "
            "folder, or unpack it."
        )
    if context.config.copy_images:
        if path.is_file() and path.name.lower().endswith(LISTS):
            raise ValueError(
                f"ingest.copy_images copies folders and archives, not the files that {path} lists: set it to "
                "false."
            )
        path = _copied(path, context.raw_folder)
    return list_path(path, context)


def is_listed(path: Path) -> bool:
    """Whether a path is a file that names or contains images: a list or an archive."""
    return path.is_file() and path.name.lower().endswith(tuple(FILES))


def list_path(path: Path, context: SourceContext, *, outputs: Collection[Path] = ()) -> Listing:
    """List a folder, an archive, a list, or one image.

    Args:
        outputs: what the running command writes, which is no input.

    Raises:
        ValueError: the archive or the list is refused.
    """
    if path.is_dir():
        return list_folder(path, outputs=outputs)
    if is_listed(path):
        ending = next(ending for ending in FILES if path.name.lower().endswith(ending))
        return FILES[ending](path, context)
    return make_listing([source_file(path.name, str(path), path.stat())], ())


def _below(folder: str, listing: Listing) -> Listing:
    files = [replace(file, name=f"{folder}/{file.name}") for file in listing.files]
    return Listing(files, {folder} | {f"{folder}/{name}" for name in listing.folders})


def _without_repeats(listings: list[Listing]) -> list[Listing]:
    """Count each file in the first listing that has it: a folder may be named twice, or lie inside another."""
    if len(listings) < 2:
        return listings
    identity = identities()
    known: set[tuple[tuple[str, str], str | None]] = set()
    single = []
    num_repeats = 0
    for listing in listings:
        files = []
        for file in listing.files:
            one = (identity(file.path), file.member)
            if one in known:
                num_repeats += 1
            else:
                known.add(one)
                files.append(file)
        single.append(replace(listing, files=files))
    if num_repeats:
        logger.warning("ingest.source lists %d files more than once; each of them counts once", num_repeats)
    return single


def _copied(source: Path, raw_folder: Path) -> Path:
    """Copy a folder or an archive below `raw_folder`, unless the copy exists. Returns the path of the copy.

    A later call copies new and changed files, and removes those that the source no longer has.
    """
    if source.is_relative_to(raw_folder):
        return source
    target = raw_folder / source.name
    if source.is_file():
        raw_folder.mkdir(parents=True, exist_ok=True)
        _copy_file(source, target)
        return target

    note = target / _COPY_NOTE
    if target.exists() and (not note.exists() or json.loads(note.read_text()) != str(source)):
        raise ValueError(
            f"{target} is not a copy of {source}, so ingest does not change it: move it elsewhere."
        )
    logger.info("Copying %s to %s", source, target)
    target.mkdir(parents=True, exist_ok=True)
    with written_whole(note) as partial:
        partial.write_text(json.dumps(str(source)))
    wanted = {file.name: file for file in list_folder(source).files if file.problem is None}
    copied = list_folder(target)
    for folder in ("", *copied.folders):  # not for each file: a search reads the whole folder
        remove_leftovers(target / folder)
    for file in copied.files:
        if file.name not in wanted:
            Path(file.path).unlink()
    for name, file in with_progress(list(wanted.items()), "copy", unit="files"):
        _copy_file(Path(file.path), target / name)
    return target


def _copy_file(source: Path, target: Path) -> None:
    wanted = source.stat()
    if target.exists():
        found = target.stat()
        if (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_name(target)
    shutil.copy2(source, partial)
    partial.replace(target)
