"""Assign the splits that the source does not give, and reduce train. Each image's own hash and the seed decide.

For an image with a group, the group's name decides. Labels and other images have no influence, so an image keeps
its split when images or labels are added.
"""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import SPLITS
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.manifest import Row

logger = logging.getLogger(__name__)


def fill_splits(rows: Sequence[Row], config: IngestConfig) -> list[Row]:
    """Take val and test from train, by their fractions, where the source has no such split.

    Images of a group share a split, and so do images of equal bytes, also where they are linked through others. A
    split that the source gives stays; images without one join the given split of the images they belong with. The
    number of images taken varies around the fraction. A split that would be empty gets the nearest candidate (the
    smallest number), and train keeps at least one image or group.

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
    for number_wanted, (split, fraction) in zip(range(len(wanted), 0, -1), wanted, strict=True):
        if len(pool) <= number_wanted:
            raise ValueError(
                f"{len(pool)} distinct images or groups are too few to carve {split} out of train: give more, "
                "or set ingest.validation_fraction (or test_fraction) to 0."
            )
        chosen = _share(pool, split, fraction, config.seed, at_most=len(pool) - number_wanted)
        for place in chosen:
            for position in pool[place].positions:
                filled[position] = filled[position]._replace(split=split)
        pool = [one for place, one in enumerate(pool) if place not in chosen]
    return filled


def limit_train(rows: Sequence[Row], config: IngestConfig) -> list[Row]:
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
    images_of: dict[str, list[str]] = defaultdict(list)
    for image, label in label_of.items():
        images_of[label].append(image)
    kept: set[str] = set()
    for label, quota in _quotas(Counter(label_of.values()), most, config.seed).items():
        kept.update(
            sorted(images_of[label], key=lambda image: (number(config.seed, "train", image), image))[:quota]
        )
    stay = [row for row in train if row.facts.sha256 in kept]
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


def _belonging_together(rows: Sequence[Row]) -> list[_Together]:
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
            "%d groups share equal images with others, so that those stand in one split: %s",
            sum(map(len, linked)),
            "; ".join(" and ".join(names) for names in sorted(linked)[:5]),
        )
    return [
        _Together(places, sorted(f"group:{name}" for name in groups[one]) or [rows[places[0]].facts.sha256])
        for one, places in positions.items()
    ]


def _given_split_of_group(rows: Sequence[Row]) -> dict[str, str]:
    given: dict[str, str] = {}
    for row in rows:
        if row.group is not None and row.is_given and given.setdefault(row.group, row.split) != row.split:
            raise ValueError(
                f"the group {row.group!r} has images in {given[row.group]} and in {row.split}, and a group stands in "
                "one split: correct the split or the group in the source, or ingest.group."
            )
    return given


def _follow_given(filled: list[Row], belonging: Sequence[_Together], of_group: Mapping[str, str]) -> None:
    """Give images without a split the given split of their group, else of the images they belong with."""
    for one in belonging:
        given = [filled[position].split for position in one.positions if filled[position].is_given]
        for position in one.positions if given else ():
            row = filled[position]
            if not row.is_given:
                split = of_group.get(row.group) if row.group is not None else None
                filled[position] = row._replace(split=split or max(given, key=SPLITS.index))


def _share(pool: Sequence[_Together], split: str, fraction: float, seed: int, *, at_most: int) -> set[int]:
    """Places in the pool whose number is below the fraction: at least the smallest one, at most `at_most`."""
    numbers = [min(number(seed, split, name) for name in one.names) for one in pool]
    order = sorted(range(len(pool)), key=lambda position: (numbers[position], pool[position].names))
    count = sum(value < fraction for value in numbers)
    return set(order[: min(max(1, count), at_most)])


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
