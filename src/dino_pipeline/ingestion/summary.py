"""Summarise ingestion in numbers, for the log and for a JSON file."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest

logger = logging.getLogger(__name__)


def summarise(table: pa.Table, reasons: Sequence[str]) -> dict[str, Any]:
    """Count by split, class and kind of refusal; add quantiles of the sizes and the digest of the data."""
    manifest = Manifest(table, Path(), np.arange(table.num_rows))
    parts = {split: manifest.split(split) for split in SPLITS}
    train_hashes = set(parts["train"].sha256)
    return {
        "digest": manifest.digest(),
        "num_images": len(manifest),
        "splits": {split: len(part) for split, part in parts.items()},
        "num_groups": len({group for group in manifest.groups if group is not None}),
        "num_classes": len(manifest.class_names),
        "classes": dict(sorted(Counter(label for label in manifest.labels if label is not None).items())),
        "is_labelled": manifest.is_labelled,
        "classes_missing_in_train": sorted(set(manifest.class_names) - set(parts["train"].class_names)),
        "held_out_images_also_in_train": {
            split: sum(image in train_hashes for image in parts[split].sha256) for split in SPLITS[1:]
        },
        "quantiles": {name: _quantiles(table[name].to_numpy()) for name in ("width", "height", "bytes")},
        "quarantined": dict(sorted(Counter(map(_kind, reasons)).items())),
    }


def count_kinds(reasons: Sequence[str]) -> str:
    """Count reasons by kind, the commonest first: "3 truncated, 1 empty"."""
    return ", ".join(f"{count} {kind}" for kind, count in Counter(map(_kind, reasons)).most_common())


def report(summary: dict[str, Any]) -> None:
    """Log the summary in a line or two."""
    splits = ", ".join(f"{split} {count:,}" for split, count in summary["splits"].items())
    num_unlabelled = summary["num_images"] - sum(summary["classes"].values())
    classes = f"{summary['num_classes']} classes" if summary["num_classes"] else "unlabelled"
    if summary["num_classes"] and num_unlabelled:
        classes += f", but {num_unlabelled:,} images have no label, so the data set counts as unlabelled"
    if summary["num_groups"]:
        classes += f"; {summary['num_groups']:,} groups"
    logger.info("Ingested %s images (%s; %s)", f"{summary['num_images']:,}", splits, classes)
    if summary["quarantined"]:
        counts = ", ".join(f"{count} {kind}" for kind, count in summary["quarantined"].items())
        logger.warning("Quarantined %s: the quarantine table gives the reason for each file", counts)
    duplicates = summary["duplicates"]
    if duplicates["groups"]:
        logger.warning(
            "%d images have the same bytes as another one (%d sets, %d across splits, %d with different labels); "
            "%d dropped (ingest.drop_duplicates). The duplicates table lists them",
            duplicates["images"],
            duplicates["groups"],
            duplicates["groups_across_splits"],
            duplicates["groups_of_several_labels"],
            duplicates["dropped"],
        )
    for split, count in summary["held_out_images_also_in_train"].items():
        if count:
            logger.warning(
                "%d images of %s are also in train, byte for byte: its scores will be too high "
                "(ingest.drop_duplicates)",
                count,
                split,
            )
    if summary["classes_missing_in_train"]:
        logger.warning(
            "train has no images of these classes: %s", ", ".join(summary["classes_missing_in_train"][:10])
        )


def report_changes(before: Path, manifest: pd.DataFrame) -> None:
    """Log how a manifest differs from the recipe's last one, where both have images in common.

    Args:
        before: the file of the last manifest, which may be missing.
        manifest: the new one.
    """
    columns = ["path", "member", "sha256", "split", "label"]
    if not before.is_file() or not set(columns) <= set(pq.read_schema(before).names):
        return
    old, new = (
        table.fillna("")
        for table in (pd.read_parquet(before, columns=columns), manifest[columns].astype(object))
    )
    both = old.merge(new, on=columns[:3], how="outer", suffixes=("_before", ""), indicator=True)
    same = both[both["_merge"] == "both"]
    counts = {
        "more": int((both["_merge"] == "right_only").sum()),
        "fewer": int((both["_merge"] == "left_only").sum()),
    }
    said = [f"{count:,} {word}" for word, count in counts.items() if count]
    for name in ("split", "label"):
        changed = same[same[name] != same[f"{name}_before"]]
        if len(changed):
            row = changed.iloc[0]
            place = row["path"] + (f":{row['member']}" if row["member"] else "")
            said.append(
                f"{len(changed):,} with another {name} (such as {place}: {row[name] or 'none'}, was "
                f"{row[f'{name}_before'] or 'none'})"
            )
    if said and len(same):
        logger.info("Images since the last ingest of this recipe: %s", ", ".join(said))


def _kind(reason: str) -> str:
    return reason.partition(":")[0]


def _quantiles(values: "np.ndarray[Any, np.dtype[Any]]") -> dict[str, int]:
    names = ("minimum", "median", "maximum")
    return dict(zip(names, (int(value) for value in np.quantile(values, (0, 0.5, 1))), strict=True))
