"""From the source to the manifest, the quarantine table and a summary."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.index import FileIndex
from dino_pipeline.ingestion.inspection import Facts, Limits, inspect_all
from dino_pipeline.ingestion.layout import arrange
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.source import list_source
from dino_pipeline.ingestion.splits import fill_splits, limit_train
from dino_pipeline.ingestion.summary import count_kinds, report, summarise
from dino_pipeline.ingestion.tables import Row, manifest_table, quarantine_table

logger = logging.getLogger(__name__)


class Ingested(NamedTuple):
    """Results of ingestion; the manifest's columns are `dino.data.manifest.SCHEMA`."""

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    summary: dict[str, Any]


def ingest(config: IngestConfig, *, project_folder: Path, raw_folder: Path, cache_folder: Path) -> Ingested:
    """List, inspect, quarantine and split the images of a source.

    Args:
        config: the `ingest` parameters.
        project_folder: where relative paths start, in `ingest.source` and in the manifest.
        raw_folder: where embedded images and wanted copies are written.
        cache_folder: where the index and decompressed archives are kept from one call to the next.

    Raises:
        ValueError: the source is missing, empty or refused, no image in it is usable, or a split has none.
    """
    listing = list_source(
        config, project_folder=project_folder, raw_folder=raw_folder, cache_folder=cache_folder
    )
    if not listing.files:
        raise ValueError(f"ingest.source: {config.source} holds no files. Put images there, or name another.")
    facts = _gather_facts(config, listing.files, cache_folder)
    reasons = [_objection(fact, config.minimum_size) for fact in facts]
    usable = [position for position, reason in enumerate(reasons) if not reason]
    if not usable:
        raise ValueError(
            f"ingest.source: {config.source} holds no usable image: {count_kinds(reasons)}. "
            "Is this the right folder, and is ingest.minimum_size right?"
        )

    rows = []
    places = arrange([listing.files[position].name for position in usable], listing.folders)
    for position, place in zip(usable, places, strict=True):
        if place.split is None:
            reasons[position] = "outside the split folders: it lies beside them"
        else:
            rows.append(Row(listing.files[position], facts[position], place.split, place.label))
    manifest = manifest_table(limit_train(fill_splits(rows, config), config), project_folder)
    quarantine = quarantine_table(listing.files, reasons, project_folder)
    summary = {"source": config.source} | summarise(manifest, [reason for reason in reasons if reason])
    report(summary)
    return Ingested(manifest.to_pandas(types_mapper=pd.ArrowDtype), quarantine, summary)


def _gather_facts(config: IngestConfig, files: Sequence[SourceFile], cache_folder: Path) -> list[Facts]:
    limits = Limits(config.max_pixels, config.max_file_megabytes * 10**6)
    index = FileIndex(cache_folder, source=str(config.source), limits=limits)
    facts = index.look_up(files)
    new = [position for position, fact in enumerate(facts) if fact is None]
    if len(new) < len(files):
        logger.info("%d of %d files are unchanged and not read again", len(files) - len(new), len(files))
    inspected = inspect_all([files[position] for position in new], limits, num_workers=config.num_workers)
    try:
        for position, fact in zip(new, inspected, strict=True):
            facts[position] = fact
    finally:  # what an interrupted call has read need not be read again
        known = [(file, fact) for file, fact in zip(files, facts, strict=True) if fact is not None]
        index.save([file for file, _ in known], [fact for _, fact in known])
    return [fact for _, fact in known]


def _objection(facts: Facts, minimum_size: int) -> str:
    if not facts.reason and min(facts.width, facts.height) < minimum_size:
        return f"too small: {facts.width}x{facts.height} px, the shorter side is below {minimum_size}"
    return facts.reason
