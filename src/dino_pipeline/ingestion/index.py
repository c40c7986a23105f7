"""Remember each file's facts by size and time, so that unchanged files are not read twice."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.ingestion.inspection import Facts, Limits
from dino_pipeline.ingestion.listing import SourceFile

# Raise it when the decoder's verdicts change: facts of an older one are then not trusted.
_DECODER = 1

_KEY = ["path", "member", "offset", "size", "mtime_ns"]


class FileIndex:
    """Facts of one source's files, kept in a Parquet file of the cache folder.

    Other limits make another index: what they refused was never decoded.
    """

    def __init__(self, cache_folder: Path, *, source: str, limits: Limits) -> None:
        identity = json.dumps([_DECODER, source, asdict(limits)])
        self._file = cache_folder / f"index-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.parquet"

    def look_up(self, files: Sequence[SourceFile]) -> list[Facts | None]:
        """Facts of each file, None for those that are new or changed."""
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
        """Replace the index by these files; what could not be read is left out, and tried again next time."""
        table = pd.concat([_keys(files), pd.DataFrame(facts, columns=list(Facts._fields))], axis="columns")
        table = table[~table["reason"].str.startswith("cannot be read")]
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
