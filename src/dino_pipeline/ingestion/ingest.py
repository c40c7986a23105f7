"""Make the manifest, the tables of refused files and of duplicates, and a summary from the sources."""

import logging
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.duplicates import (
    count_duplicates,
    drop_duplicates,
    duplicates_table,
    equal_images,
)
from dino_pipeline.ingestion.exclusion import exclude, read_exclusions
from dino_pipeline.ingestion.index import gather_facts
from dino_pipeline.ingestion.inspection import Facts
from dino_pipeline.ingestion.layout import group_of
from dino_pipeline.ingestion.listing import Listing, SourceContext, SourceFile, said_of_left_out
from dino_pipeline.ingestion.manifest import ManifestRow, manifest_table, quarantine_table
from dino_pipeline.ingestion.reading import said_of_problems
from dino_pipeline.ingestion.sources.registry import list_sources
from dino_pipeline.ingestion.splits import fill_splits, limit_train, read_kept_splits
from dino_pipeline.ingestion.summary import count_kinds, report, summarise

logger = logging.getLogger(__name__)


class Ingested(NamedTuple):
    """Results of ingestion. The manifest's columns are `dino.core.data.manifest.SCHEMA`."""

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    duplicates: pd.DataFrame
    summary: dict[str, Any]


def ingest(
    config: IngestConfig,
    images: ImagesConfig,
    *,
    project_folder: Path,
    raw_folder: Path,
    cache_folder: Path,
) -> Ingested:
    """List, inspect, quarantine and split the images of the sources.

    Args:
        config: the `ingest` parameters.
        images: the form in which training reads images. Images of another form are quarantined.
        project_folder: the folder that relative paths start from, in `ingest.source` and in the manifest.
        raw_folder: the folder for embedded images and requested copies.
        cache_folder: keeps the index and decompressed archives from one call to the next.

    Raises:
        ValueError: the source is missing, empty or refused, it has no usable image, a split has no image, or the list
            of exclusions does not apply.
    """
    exclusions = None if config.exclude is None else read_exclusions(config.exclude, project_folder)
    listings = list_sources(SourceContext(config, project_folder, raw_folder, cache_folder))
    named = " and ".join(config.sources)
    files = [file for listing in listings for file in listing.files]
    left_out = [one for listing in listings for one in listing.left_out]
    if left_out:
        logger.info("No input in %s: %s", named, said_of_left_out(left_out))
    if not files:
        raise ValueError(
            f"ingest.source: {named} contains no files. Put images there, or give another source."
        )
    facts = gather_facts(files, config, images, cache_folder)
    reasons = [_objection(fact, config.minimum_size) for fact in facts]
    if all(reasons):
        raise ValueError(
            f"ingest.source: {named} contains no usable image: {count_kinds(reasons)}"
            f"{said_of_problems([(files[0].name, reasons[0])])}. Check that this is the right folder, and check "
            "ingest.minimum_size."
        )

    rows, refused = _place(listings, facts, reasons, config)
    kept = read_kept_splits(cache_folder)
    rows = fill_splits(rows, config, kept)  # before the exclusion, so that it moves no image to another split
    exclusion: dict[str, Any] = {"list": None, "images": 0, "not_found": 0}
    if exclusions:
        rows, excluded, num_not_found = exclude(rows, exclusions, project_folder)
        exclusion = {"list": config.exclude, "images": len(excluded), "not_found": num_not_found}
        refused += excluded
    equal = equal_images(rows)
    rows, dropped = drop_duplicates(rows, equal, config.drop_duplicates, project_folder)
    refused += dropped
    manifest = manifest_table(limit_train(rows, config, kept), project_folder)
    summary = {
        "source": config.source,
        **summarise(manifest, [reason for _, reason in refused]),
        "excluded": exclusion,
        "duplicates": count_duplicates(equal) | {"dropped": len(dropped)},
    }
    report(summary)
    return Ingested(
        manifest.to_pandas(types_mapper=pd.ArrowDtype),
        quarantine_table(refused, project_folder),
        duplicates_table(equal, project_folder),
        summary,
    )


def _place(
    listings: Sequence[Listing], facts: Sequence[Facts], reasons: Sequence[str], config: IngestConfig
) -> tuple[list[ManifestRow], list[tuple[SourceFile, str]]]:
    """Give usable images a split, label and group; return the other files with the reason."""
    rows: list[ManifestRow] = []
    refused: list[tuple[SourceFile, str]] = []
    start = 0
    for listing in listings:
        part = slice(start, start + len(listing.files))
        start = part.stop
        usable = [not reason for reason in reasons[part]]
        all_places = listing.places_of(list(compress(listing.files, usable)), config.splits)
        is_given = any(place.split not in ("train", None) for place in all_places)
        places = iter(all_places)
        for file, fact, reason in zip(listing.files, facts[part], reasons[part], strict=True):
            place = None if reason else next(places)
            if place is None:
                refused.append((file, reason))
            elif place.split is None:
                refused.append((file, "outside the split folders: move it into one of them"))
            else:
                group = group_of(file.name, place, config.group)
                rows.append(ManifestRow(file, fact, place.split, place.label, group, is_given))
    num_alone = sum(row.group is None for row in rows)
    if config.group and num_alone:
        logger.warning(
            "ingest.group finds no group in the paths of %s of %s images: each of these is its own group",
            f"{num_alone:,}",
            f"{len(rows):,}",
        )
    return rows, refused


def _objection(facts: Facts, minimum_size: int) -> str:
    if not facts.reason and min(facts.width, facts.height) < minimum_size:
        return f"too small: {facts.width}x{facts.height} px, the shorter side is below {minimum_size}"
    return facts.reason
