"""Assign the splits that the source does not give, and reduce train. Each image's own hash and the seed decide.

For an image with a group, the group's name decides. Labels and other images have no influence, so an image keeps
its split when images or labels are added.
"""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.manifest import ManifestRow

logger = logging.getLogger(__name__)


KEPT_SPLITS = "kept_splits.parquet"  # sha256 and split of images, in the cache of ingest


def write_kept_splits(manifest: Manifest, cache_folder: Path) -> None:
    """Let the images of an earlier manifest keep the splits that an earlier rule gave them. An existing file stays."""
    file = cache_folder / KEPT_SPLITS
    if not file.is_file():
        cache_folder.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as partial:
            pq.write_table(manifest.table.select(["sha256", "split"]), partial)


def read_kept_splits(cache_folder: Path) -> dict[str, str]:
    """The split of each image that keeps one, by the image's sha256; empty in a project that adopted nothing."""
    file = cache_folder / KEPT_SPLITS
    if not file.is_file():
        return {}
    table = pq.read_table(file)
    logger.info(
        "%s images keep the split that an earlier version gave them; delete %s to split them again",
        f"{table.num_rows:,}",
        file,
    )
    return dict(zip(table["sha256"].to_pylist(), table["split"].to_pylist(), strict=True))


def fill_splits(
    rows: Sequence[ManifestRow], config: IngestConfig, kept: Mapping[str, str] | None = None
) -> list[ManifestRow]:
    """Take val and test from train, by their fractions, where the source has no such split.

    Images of a group share a split, and so do images of equal bytes, also where they are linked through others. A
    split that the source gives stays; images without one join the given split of the images they belong with. The
    number of images taken varies around the fraction. A split that would be empty gets the nearest candidate (the
    smallest number), and train keeps at least one image or group.

    Args:
        rows: of all usable images.
        config: the `ingest` parameters.
        kept: splits that images keep, by sha256, where the source gives none; from `read_kept_splits`.

    Raises:
        ValueError: the source gives a group two splits, or there are too few images or groups for the splits.
    """
    filled = list(rows)
    belonging = _belonging_together(rows)
    _follow_given(filled, belonging, _given_split_of_group(rows))
    wanted = [
        (split, fraction)
        for split, fraction in (("test", config.test_fraction), ("val", config.validation_fraction))
        if fraction > 0 and not any(row.split == split for row in filled)
    ]
    pool = [one for one in belonging if all(filled[position].split == "train" for position in one.positions)]
    if kept:
        filled, pool = _keep(filled, pool, kept, {split for split, _ in wanted})
        present = {row.split for row in filled}
        for split, fraction in wanted:
            if split in present:
                chosen = _share(pool, split, fraction, config.seed, at_most=len(pool), at_least=0)
                for position in (position for place in chosen for position in pool[place].positions):
                    filled[position] = filled[position]._replace(split=split)
                pool = [one for place, one in enumerate(pool) if place not in chosen]
        wanted = [(split, fraction) for split, fraction in wanted if split not in present]
    for number_wanted, (split, fraction) in zip(range(len(wanted), 0, -1), wanted, strict=True):
        if len(pool) <= number_wanted:
            raise ValueError(
                f"{len(pool)} distinct images or groups are too few to carve {split} out of train: add images, or "
                "set ingest.validation_fraction (or test_fraction) to 0."
            )
        chosen = _share(pool, split, fraction, config.seed, at_most=len(pool) - number_wanted)
        for place in chosen:
            for position in pool[place].positions:
                filled[position] = filled[position]._replace(split=split)
        pool = [one for place, one in enumerate(pool) if place not in chosen]
    return filled


def _keep(
    rows: Sequence[ManifestRow], pool: Sequence["_Together"], kept: Mapping[str, str], wanted: set[str]
) -> tuple[list[ManifestRow], list["_Together"]]:
    """The rows with the splits that they keep, and the images that are left to split."""
    filled, left = list(rows), []
    for one in pool:
        images = (rows[position].facts.sha256 for position in one.positions)
        own = {kept[image] for image in images if image in kept}
        if not own:
            left.append(one)
            continue
        split = next((name for name in ("test", "val") if name in own & wanted), "train")
        for position in one.positions:
            filled[position] = rows[position]._replace(split=split)
    return filled, left


def limit_train(
    rows: Sequence[ManifestRow], config: IngestConfig, kept: Mapping[str, str] | None = None
) -> list[ManifestRow]:
    """Keep `max_train_images` distinct images of train, each class in proportion, and all images of other splits.

    Largest remainders turn the proportions into numbers of images. Within a class the images of the smallest numbers
    stay, so an added image displaces few others.
    """
    most = config.max_train_images
    train = [row for row in rows if row.split == "train"]
    label_of: dict[str, str] = {}  # equal images may have several labels: the first counts
    for row in train:
        image, label = row.facts.sha256, row.label or ""
        label_of[image] = min(label_of.get(image, label), label)
    if most is None or len(label_of) <= most:
        return list(rows)
    already = {image for image in label_of if (kept or {}).get(image) == "train"}
    if len(already) == most:
        return [row for row in rows if row.split != "train" or row.facts.sha256 in already]
    images_of: dict[str, list[str]] = defaultdict(list)
    for image, label in label_of.items():
        images_of[label].append(image)
    chosen: set[str] = set()
    for label, quota in _quotas(Counter(label_of.values()), most, config.seed).items():
        chosen.update(
            sorted(images_of[label], key=lambda image: (number(config.seed, "train", image), image))[:quota]
        )
    stay = [row for row in train if row.facts.sha256 in chosen]
    logger.info("ingest.max_train_images keeps %s of %s images of train", f"{len(stay):,}", f"{len(train):,}")
    return stay + [row for row in rows if row.split != "train"]


def number(seed: int, purpose: str, name: str) -> float:
    """A number in [0, 1) from sha256, uniform over names and independent between seeds and purposes.

    Args:
        purpose: what the number decides, such as the split to take.
        name: an image's sha256, or `group:` with the group's name.
    """
    digest = hashlib.sha256(f"{seed}:{purpose}:{name}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


class _Together(NamedTuple):
    """Images that share a split: their positions, and the names whose smallest number decides."""

    positions: list[int]
    names: list[str]


def _belonging_together(rows: Sequence[ManifestRow]) -> list[_Together]:
    """Sets of images that share bytes or a group, directly or through other images."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while parents.setdefault(name, name) != name:
            parents[name] = name = parents[parents[name]]
        return name

    for row in rows:
        image = root(row.facts.sha256)
        if row.group is not None:
            parents[image] = root(f"group:{row.group}")
    positions: dict[str, list[int]] = defaultdict(list)
    groups: dict[str, set[str]] = defaultdict(set)
    for position, row in enumerate(rows):
        one = root(row.facts.sha256)
        positions[one].append(position)
        if row.group is not None:
            groups[one].add(row.group)
    linked = [sorted(names) for names in groups.values() if len(names) > 1]
    if linked:
        logger.warning(
            "%d groups share identical images with other groups, so those get the same split: %s",
            sum(map(len, linked)),
            "; ".join(" and ".join(names) for names in sorted(linked)[:5]),
        )
    return [
        _Together(places, sorted(f"group:{name}" for name in groups[one]) or [rows[places[0]].facts.sha256])
        for one, places in positions.items()
    ]


def _given_split_of_group(rows: Sequence[ManifestRow]) -> dict[str, str]:
    given: dict[str, str] = {}
    for row in rows:
        if row.group is not None and row.is_given and given.setdefault(row.group, row.split) != row.split:
            raise ValueError(
                f"the group {row.group!r} has images in {given[row.group]} and in {row.split}, but all images of "
                "a group must have one split: correct the split or the group in the source, or ingest.group."
            )
    return given


def _follow_given(
    filled: list[ManifestRow], belonging: Sequence[_Together], of_group: Mapping[str, str]
) -> None:
    """Give images without a split the given split of their group, else of the images they belong with."""
    for one in belonging:
        given = [filled[position].split for position in one.positions if filled[position].is_given]
        for position in one.positions if given else ():
            row = filled[position]
            if not row.is_given:
                split = of_group.get(row.group) if row.group is not None else None
                filled[position] = row._replace(split=split or max(given, key=SPLITS.index))


def _share(
    pool: Sequence[_Together], split: str, fraction: float, seed: int, *, at_most: int, at_least: int = 1
) -> set[int]:
    """Places in the pool whose number is below the fraction, the smallest numbers first."""
    numbers = [min(number(seed, split, name) for name in one.names) for one in pool]
    order = sorted(range(len(pool)), key=lambda position: (numbers[position], pool[position].names))
    count = sum(value < fraction for value in numbers)
    return set(order[: min(max(at_least, count), at_most)])


def _quotas(counts: Mapping[str, int], wanted: int, seed: int) -> dict[str, int]:
    """How many of each class make up `wanted` in proportion: largest remainders, ties in the seed's order."""
    total = sum(counts.values())
    quotas = {label: count * wanted // total for label, count in counts.items()}
    by_remainder = sorted(
        counts, key=lambda label: (-(counts[label] * wanted % total), number(seed, "class", label))
    )
    for label in by_remainder[: wanted - sum(quotas.values())]:
        quotas[label] += 1
    return quotas
