"""Splits of any images: disjoint, complete, the same in every order and when images are added; the data's digest."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.inspection import Facts
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.manifest import ManifestRow, manifest_table
from dino_pipeline.ingestion.splits import fill_splits, limit_train, number

PARAMETERS = Path(__file__).parents[2] / "conf" / "base" / "parameters_ingest.yml"
CONFIG = from_dict(IngestConfig, yaml.safe_load(PARAMETERS.read_text())["ingest"])
SEEDS = st.integers(0, 9)
FRACTIONS = st.floats(0.05, 0.5)


def row(position: int, content: int, label: str | None, group: str | None = None) -> ManifestRow:
    file = SourceFile(f"{position}.png", f"/photos/{position}.png", None, None, 1, 0)
    facts = Facts(8, 8, hashlib.sha256(str(content).encode()).hexdigest(), "")
    return ManifestRow(file, facts, "train", label, group)


# Contents repeat: copies of one image lie under several names, and may link groups.
LABELS = st.sampled_from([None, "cat", "dog"])
GROUPS = st.sampled_from([None, None, *"abcdefgh"])
ROWS = st.lists(st.tuples(st.integers(0, 40), LABELS, GROUPS), min_size=1, max_size=60).map(
    lambda images: [row(position, *image) for position, image in enumerate(images)]
)


def filled(rows: list[ManifestRow], validation: float, test: float, seed: int) -> list[ManifestRow] | None:
    """The split rows; None where there are too few images or groups, which is refused."""
    config = replace(CONFIG, validation_fraction=validation, test_fraction=test, seed=seed)
    try:
        return fill_splits(rows, config)
    except ValueError as error:
        assert "are too few to carve" in str(error)  # noqa: PT017
        return None


@given(ROWS, FRACTIONS, FRACTIONS, SEEDS)
def test_every_file_is_in_one_split_and_equal_images_and_groups_are_in_the_same(
    rows: list[ManifestRow], validation: float, test: float, seed: int
) -> None:
    split = filled(rows, validation, test, seed)
    if split is None:
        return
    assert Counter(r.file.path for r in split) == Counter(r.file.path for r in rows)
    splits_of: dict[str, set[str]] = {}
    for r in split:
        splits_of.setdefault(r.facts.sha256, set()).add(r.split)
        if r.group is not None:
            splits_of.setdefault(r.group, set()).add(r.split)
    assert all(len(names) == 1 for names in splits_of.values())
    assert {r.split for r in split} == {"train", "val", "test"}


# Each content has one group or none: what links two old groups has to move one of them.
IMAGES = st.lists(st.tuples(st.integers(0, 80), LABELS), max_size=60)
MANY = [(content, None) for content in range(100, 200)]  # so that no split is empty


def of_one_group(first: int, images: list[tuple[int, str | None]]) -> list[ManifestRow]:
    return [
        row(first + i, content, label, None if content % 3 or content >= 100 else "abcdefgh"[content % 8])
        for i, (content, label) in enumerate(images)
    ]


@given(IMAGES, IMAGES, st.lists(LABELS, min_size=160, max_size=160), FRACTIONS, FRACTIONS, SEEDS)
def test_added_images_and_other_labels_move_no_old_image(
    images: list[tuple[int, str | None]],
    added: list[tuple[int, str | None]],
    labels: list[str | None],
    validation: float,
    test: float,
    seed: int,
) -> None:
    rows = of_one_group(0, MANY + images)

    def expected(one: ManifestRow) -> str:
        name = f"group:{one.group}" if one.group else one.facts.sha256
        if number(seed, "test", name) < test:
            return "test"
        return "val" if number(seed, "val", name) < validation else "train"

    assume({expected(one) for one in rows} == {"train", "val", "test"})
    before = filled(rows, validation, test, seed)
    relabelled = [one._replace(label=label) for one, label in zip(rows, labels, strict=False)]
    after = filled([*relabelled, *of_one_group(500, added)], validation, test, seed)
    assert before is not None
    assert after is not None
    assert [one.split for one in before] == [expected(one) for one in rows]
    assert [one.split for one in after[: len(rows)]] == [one.split for one in before]


@given(ROWS, FRACTIONS, SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_files_changes_neither_splits_nor_the_digest(
    rows: list[ManifestRow], validation: float, seed: int, random: Random
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, other = (filled(order, validation, 0.0, seed) for order in (rows, shuffled))
    if one is None or other is None:
        assert one is other
        return
    assert {r.file.path: r.split for r in one} == {r.file.path: r.split for r in other}
    assert digest(one) == digest(other)


@given(ROWS, st.integers(0, 59))
def test_the_digest_sees_a_changed_image_label_or_split(rows: list[ManifestRow], position: int) -> None:
    changed = rows[position % len(rows)]
    for different in (
        changed._replace(facts=changed.facts._replace(sha256="f" * 64)),
        changed._replace(label="bird"),
        changed._replace(split="test"),
    ):
        assert digest(rows) != digest([different if r is changed else r for r in rows])


@given(ROWS, st.integers(1, 50), SEEDS)
def test_a_smaller_train_has_the_distinct_images_asked_for(
    rows: list[ManifestRow], most: int, seed: int
) -> None:
    held_out = row(99, 99, "cat")._replace(split="val")
    kept = limit_train([*rows, held_out], replace(CONFIG, max_train_images=most, seed=seed))
    distinct = {r.facts.sha256 for r in rows}
    assert len({r.facts.sha256 for r in kept if r.split == "train"}) == min(most, len(distinct))
    assert held_out in kept
    assert set(kept) <= {*rows, held_out}


@given(ROWS, st.integers(1, 50), SEEDS)
def test_a_smaller_train_has_each_class_in_proportion_within_one_image(
    rows: list[ManifestRow], most: int, seed: int
) -> None:
    one_of_each = list({r.facts.sha256: r for r in rows}.values())
    kept = Counter(
        r.label for r in limit_train(one_of_each, replace(CONFIG, max_train_images=most, seed=seed))
    )
    for label, count in Counter(r.label for r in one_of_each).items():
        assert abs(kept[label] - min(1, most / len(one_of_each)) * count) < 1


def digest(rows: list[ManifestRow]) -> str:
    table = manifest_table(rows, Path("/photos"))
    return Manifest(table, Path("/photos"), np.arange(len(rows), dtype=np.int64)).digest()
