"""Splits of any images: disjoint, complete, the same in every order; and so is the data's digest."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.inspection import Facts
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.manifest import Row, manifest_table
from dino_pipeline.ingestion.splits import carve, fill_splits, limit_train

PARAMETERS = Path(__file__).parents[2] / "conf" / "base" / "parameters_ingest.yml"
CONFIG = from_dict(IngestConfig, yaml.safe_load(PARAMETERS.read_text())["ingest"])
SEEDS = st.integers(0, 9)
FRACTIONS = st.floats(0.05, 0.5)


def row(position: int, content: int, label: str | None) -> Row:
    file = SourceFile(
        name=f"{position}.png",
        path=f"/photos/{position}.png",
        member=None,
        offset=None,
        size=1,
        mtime_ns=0,
        problem=None,
    )
    return Row(file, Facts(8, 8, hashlib.sha256(str(content).encode()).hexdigest(), ""), "train", label)


# Contents repeat: copies of one image lie under several names.
ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([None, "cat", "dog"])), min_size=1, max_size=60
).map(lambda images: [row(position, *image) for position, image in enumerate(images)])


def filled(rows: list[Row], validation: float, test: float, seed: int) -> list[Row] | None:
    """The split rows; None where a share comes to no image, which is refused."""
    config = replace(CONFIG, validation_fraction=validation, test_fraction=test, seed=seed)
    try:
        return fill_splits(rows, config)
    except ValueError as error:
        assert "raise ingest.validation_fraction" in str(error)  # noqa: PT017
        return None


@given(ROWS, FRACTIONS, FRACTIONS, SEEDS)
def test_every_file_is_in_one_split_and_equal_images_are_in_the_same(
    rows: list[Row], validation: float, test: float, seed: int
) -> None:
    split = filled(rows, validation, test, seed)
    if split is None:
        return
    assert Counter(r.file.path for r in split) == Counter(r.file.path for r in rows)
    splits_of: dict[str, set[str]] = {}
    for r in split:
        splits_of.setdefault(r.facts.sha256, set()).add(r.split)
    assert all(len(names) == 1 for names in splits_of.values())
    assert {r.split for r in split} >= {"val", "test"}


@given(ROWS, FRACTIONS, SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_files_changes_neither_splits_nor_the_digest(
    rows: list[Row], validation: float, seed: int, random: Random
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
def test_the_digest_sees_a_changed_image_label_or_split(rows: list[Row], position: int) -> None:
    changed = rows[position % len(rows)]
    for different in (
        changed._replace(facts=changed.facts._replace(sha256="f" * 64)),
        changed._replace(label="bird"),
        changed._replace(split="test"),
    ):
        assert digest(rows) != digest([different if r is changed else r for r in rows])


@given(ROWS, st.integers(1, 50), SEEDS)
def test_a_smaller_train_has_the_distinct_images_asked_for(rows: list[Row], most: int, seed: int) -> None:
    held_out = row(99, 99, "cat")._replace(split="val")
    kept = limit_train([*rows, held_out], replace(CONFIG, max_train_images=most, seed=seed))
    distinct = {r.facts.sha256 for r in rows}
    assert len({r.facts.sha256 for r in kept if r.split == "train"}) == min(most, len(distinct))
    assert held_out in kept
    assert set(kept) <= {*rows, held_out}


@given(
    st.lists(st.integers(0, 40).map(str), min_size=1, max_size=80, unique=True),
    st.floats(0.0, 1.0),
    SEEDS,
)
def test_a_share_is_a_share_within_one_image(hashes: list[str], fraction: float, seed: int) -> None:
    labels = ["even" if int(image) % 2 == 0 else "odd" for image in hashes]
    chosen = carve(hashes, labels, fraction=fraction, seed=seed)
    assert sum(chosen) == pytest.approx(fraction * len(hashes), abs=1)
    for label in set(labels):
        of_class = [is_chosen for is_chosen, other in zip(chosen, labels, strict=True) if other == label]
        assert sum(of_class) == pytest.approx(fraction * len(of_class), abs=1)


def digest(rows: list[Row]) -> str:
    table = manifest_table(rows, Path("/photos"))
    return Manifest(table, Path("/photos"), np.arange(len(rows), dtype=np.int64)).digest()
