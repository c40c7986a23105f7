"""Remember each file's facts by size and time, so that unchanged files are read once."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.inspection import Facts, inspect_all
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.reading import Limits

# Raise it when the decoder's verdicts change. Facts of an older version then no longer count.
_DECODER = 2

# Problems that may be gone at the next call, with nothing changed in the file.
_PASSING = ("cannot be read", "unsupported format", "unsupported compression")

logger = logging.getLogger(__name__)

_KEY = ["path", "member", "offset", "size", "mtime_ns"]


def gather_facts(
    files: Sequence[SourceFile], config: IngestConfig, images: ImagesConfig, cache_folder: Path
) -> list[Facts]:
    """Facts of each file, in order. Unchanged files use remembered facts, others are inspected.

    Args:
        config: the `ingest` parameters: limits, number of processes, and the source that names the index.
        images: the form in which the training reads images.
        cache_folder: the folder of the index.
    """
    limits = Limits(config.max_pixels, config.max_file_megabytes * 10**6, images)
    index, older = (
        FileIndex(cache_folder, source=str(config.source), limits=limits, decoder=decoder)
        for decoder in (_DECODER, _DECODER - 1)
    )
    facts = index.look_up(files)
    before = older.look_up(files) if not index.exists else []
    new = [position for position, fact in enumerate(facts) if fact is None]
    if len(new) < len(files):
        logger.info("%d of %d files are unchanged and not read again", len(files) - len(new), len(files))
    inspected = inspect_all([files[position] for position in new], limits, num_workers=config.num_workers)
    try:
        for position, fact in zip(new, inspected, strict=True):
            facts[position] = fact
    finally:  # keep what an interrupted call has read
        known = [(file, fact) for file, fact in zip(files, facts, strict=True) if fact is not None]
        if new:
            index.save([file for file, _ in known], [fact for _, fact in known])
    if before:
        _say_changes(files, before, [fact for _, fact in known])
    return [fact for _, fact in known]


def _say_changes(files: Sequence[SourceFile], before: Sequence[Facts | None], now: Sequence[Facts]) -> None:
    """Say which unchanged files an older version of this package read differently."""
    changes: dict[str, list[str]] = {}
    for file, old, new in zip(files, before, now, strict=True):
        if old is None or (bool(old.reason), old.width, old.height) == (
            bool(new.reason),
            new.width,
            new.height,
        ):
            continue
        if old.reason and not new.reason:
            kind = "was quarantined and is an image now"
        elif new.reason and not old.reason:
            kind = f"was an image and is quarantined now ({new.reason})"
        else:
            kind = "is another page of its file now"
        changes.setdefault(kind, []).append(file.name)
    for kind, names in changes.items():
        logger.warning(
            "Since an update of dino_pipeline %d unchanged files are read differently, such as %s, which %s: the data "
            "set's digest changes",
            len(names),
            names[0],
            kind,
        )


class FileIndex:
    """Facts of one source's files, kept in a Parquet file of the cache folder.

    Different limits use a different index, because refused files are never decoded.
    """

    def __init__(self, cache_folder: Path, *, source: str, limits: Limits, decoder: int = _DECODER) -> None:
        identity = json.dumps([decoder, source, asdict(limits)])
        self._file = cache_folder / f"index-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"

    @property
    def exists(self) -> bool:
        """Whether a call with these limits was made before."""
        return self._file.exists()

    def look_up(self, files: Sequence[SourceFile]) -> list[Facts | None]:
        """Facts of each file; None for new and changed files."""
        if not self._file.exists():
            return [None] * len(files)
        known = _keys(files).merge(pd.read_parquet(self._file), on=_KEY, how="left")
        found = known["reason"].notna()
        known = known.fillna({"width": 0, "height": 0, "sha256": "", "reason": ""})
        facts = map(
            Facts, known["width"].astype(int), known["height"].astype(int), known["sha256"], known["reason"]
        )
        return [fact if hit else None for fact, hit in zip(facts, found, strict=True)]

    def save(self, files: Sequence[SourceFile], facts: Sequence[Facts]) -> None:
        """Replace the index by these files. Unreadable files are left out, so that the next call tries them again."""
        table = pd.concat([_keys(files), pd.DataFrame(facts, columns=list(Facts._fields))], axis="columns")
        table = table[~table["reason"].str.startswith(_PASSING)]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self._file) as partial:
            table.to_parquet(partial, index=False)


def _keys(files: Sequence[SourceFile]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": [file.path for file in files],
            "member": [file.member or "" for file in files],
            "offset": [-1 if file.offset is None else file.offset for file in files],
            "size": [file.size for file in files],
            "mtime_ns": [file.mtime_ns for file in files],
        }
    )
