"""Carve missing splits, and a smaller train, out of train: by content and seed, stratified, independent of paths."""

import hashlib
import logging
import math
from collections.abc import Sequence
from fractions import Fraction

from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.manifest import Row

logger = logging.getLogger(__name__)


def fill_splits(rows: Sequence[Row], config: IngestConfig) -> list[Row]:
    """Carve val and test out of train, by their fractions, where the source has no such split.

    Raises:
        ValueError: the share rounds to no image.
    """
    filled = list(rows)
    for split, fraction in (("test", config.test_fraction), ("val", config.validation_fraction)):
        if fraction == 0 or any(row.split == split for row in filled):
            continue
        train = [position for position, row in enumerate(filled) if row.split == "train"]
        chosen = carve(
            [filled[position].facts.sha256 for position in train],
            [filled[position].label for position in train],
            fraction=fraction,
            seed=config.seed,
        )
        if not any(chosen):
            raise ValueError(
                f"a share of {fraction:g} of {len(train)} images is none, which leaves no {split} split: "
                "raise ingest.validation_fraction (or test_fraction), or give more images."
            )
        for position, is_chosen in zip(train, chosen, strict=True):
            if is_chosen:
                filled[position] = filled[position]._replace(split=split)
    return filled


def limit_train(rows: Sequence[Row], config: IngestConfig) -> list[Row]:
    """Keep `max_train_images` distinct images of train, each class in proportion, and all of the other splits."""
    train = [row for row in rows if row.split == "train"]
    num_distinct = len({row.facts.sha256 for row in train})
    if config.max_train_images is None or num_distinct <= config.max_train_images:
        return list(rows)
    chosen = carve(
        [row.facts.sha256 for row in train],
        [row.label for row in train],
        fraction=Fraction(config.max_train_images, num_distinct),
        seed=config.seed,
    )
    kept = [row for row, is_chosen in zip(train, chosen, strict=True) if is_chosen]
    logger.info("ingest.max_train_images keeps %s of %s images of train", f"{len(kept):,}", f"{len(train):,}")
    return kept + [row for row in rows if row.split != "train"]


def carve(
    hashes: Sequence[str], labels: Sequence[str | None], *, fraction: float | Fraction, seed: int
) -> list[bool]:
    """Choose `fraction` of the distinct images, each class in proportion (within one image).

    Equal bytes go together, so no image stands on both sides.

    Args:
        hashes: sha256 of each image.
        labels: class of each image or None.
        fraction: of the distinct images.
        seed: another seed chooses others.

    Returns:
        Whether each image is chosen.
    """
    label_of: dict[str, str] = {}
    for image, label in zip(hashes, labels, strict=True):
        label_of[image] = min(label_of.get(image, label or ""), label or "")

    def drawn(image: str) -> tuple[str, str]:
        return label_of[image], hashlib.sha256(f"{seed}:{image}".encode()).hexdigest()

    # Systematic sampling along the classes: every stretch of the order gives its share.
    chosen = {
        image
        for position, image in enumerate(sorted(label_of, key=drawn))
        if math.floor((position + 1) * fraction) > math.floor(position * fraction)
    }
    return [image in chosen for image in hashes]
