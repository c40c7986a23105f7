"""A carved split is decided by each image's own hash, or its group's name, and the seed."""

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.ingestion.config import GroupConfig, IngestConfig
from dino_pipeline.ingestion.inspection import Facts
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.manifest import ManifestRow
from dino_pipeline.ingestion.splits import fill_splits, limit_train, number

from .conftest import RunIngest, WriteImage


def row(
    content: str,
    *,
    group: str | None = None,
    label: str | None = None,
    split: str = "train",
    given: bool = False,
) -> ManifestRow:
    """An image whose bytes are named by `content`; the same content may lie under several names."""
    file = SourceFile(f"{content}-{group}", f"/{content}-{group}-{split}.png", None, None, 1, 0)
    facts = Facts(8, 8, hashlib.sha256(content.encode()).hexdigest(), "")
    return ManifestRow(file, facts, split, label, group, given)


def many(count: int) -> list[ManifestRow]:
    return [row(f"image {position}") for position in range(count)]


def splits(rows: list[ManifestRow], config: IngestConfig) -> list[str]:
    return [one.split for one in fill_splits(rows, config)]


@pytest.fixture
def folder_of_two_classes(tmp_path: Path, write_image: WriteImage) -> Path:
    for position in range(10):
        write_image(tmp_path / "photos" / "cat" / f"{position}.jpg")
        write_image(tmp_path / "photos" / "dog" / f"{position}.jpg")
    return tmp_path / "photos"


def test_numbers_are_those_of_a_hand_worked_case(config: IngestConfig) -> None:
    # printf '0:val:%s' "$(printf a | sha256sum | cut -d' ' -f1)" | sha256sum | cut -c1-16
    assert number(0, "val", hashlib.sha256(b"a").hexdigest()) == pytest.approx(
        0xD76F3A9FFADFADB8 / 2**64, abs=2**-53
    )
    below = [row(f"image {position}") for position in range(1000)]
    by_hand = [
        int(hashlib.sha256(f"7:val:{one.facts.sha256}".encode()).hexdigest()[:16], 16) < 2**64 // 10
        for one in below
    ]
    carved = splits(below, replace(config, seed=7, validation_fraction=0.1))
    assert [split == "val" for split in carved] == by_hand


@pytest.mark.parametrize("seed", range(3))
def test_the_share_is_the_fraction_within_binomial_bounds(seed: int, config: IngestConfig) -> None:
    found = splits(many(20_000), replace(config, seed=seed, validation_fraction=0.1, test_fraction=0.2))
    for split, share in (("test", 0.2), ("val", 0.1 * 0.8), ("train", 0.9 * 0.8)):
        deviation = (20_000 * share * (1 - share)) ** 0.5
        assert abs(found.count(split) - 20_000 * share) < 4 * deviation, split


def test_one_image_more_moves_no_other(config: IngestConfig) -> None:
    before, after = many(20_000), [*many(20_000), row("another")]
    assert splits(after, config)[:-1] == splits(before, config)


def test_labels_have_no_say(config: IngestConfig) -> None:
    labelled = [one._replace(label=str(position % 7)) for position, one in enumerate(many(200))]
    assert splits(labelled, config) == splits(many(200), config)


def test_the_seed_and_the_fraction_decide_and_a_larger_fraction_holds_the_smaller_one(
    config: IngestConfig,
) -> None:
    few, more = (
        {
            position
            for position, split in enumerate(splits(many(500), replace(config, validation_fraction=f)))
            if split == "val"
        }
        for f in (0.1, 0.3)
    )
    assert few < more
    assert splits(many(500), replace(config, seed=1)) != splits(many(500), config)


def test_an_empty_split_is_filled_with_the_smallest_number_alone(config: IngestConfig) -> None:
    rows = many(3)
    found = splits(rows, replace(config, validation_fraction=1e-6))
    assert found.count("val") == 1
    assert found.index("val") == min(range(3), key=lambda one: number(0, "val", rows[one].facts.sha256))


def test_train_keeps_an_image_and_too_few_are_refused(config: IngestConfig) -> None:
    all_wanted = replace(config, validation_fraction=0.99, test_fraction=0.99)
    assert sorted(splits(many(3), all_wanted)) == ["test", "train", "val"]
    with pytest.raises(
        ValueError, match="2 distinct images or groups are too few to carve test out of train"
    ):
        fill_splits(many(2), all_wanted)
    with pytest.raises(ValueError, match="1 distinct images or groups"):
        fill_splits([row("a", group="g"), row("b", group="g")], config)


def test_a_group_stands_in_one_split_by_its_name(config: IngestConfig) -> None:
    rows = [row(f"{position}", group=f"patient {position % 40}") for position in range(400)]
    half = replace(config, validation_fraction=0.5)
    found = fill_splits(rows, half)
    for patient in range(40):
        name = f"patient {patient}"
        expected = "val" if number(0, "val", f"group:{name}") < 0.5 else "train"
        assert {one.split for one in found if one.group == name} == {expected}
    more = [*rows, *(row(f"new {position}", group=f"patient {position}") for position in range(60))]
    assert splits(more, half)[:400] == [one.split for one in found], "a group that grows moves nothing"


def test_groups_that_share_an_image_stand_together_and_it_is_said(
    config: IngestConfig, caplog: pytest.LogCaptureFixture
) -> None:
    linked = [row("1", group="a"), row("2", group="a"), row("2", group="b"), row("3", group="b"), row("3")]
    for seed in range(20):
        found = splits([*linked, *many(30)], replace(config, seed=seed, validation_fraction=0.5))
        assert len(set(found[:5])) == 1
    assert (
        "2 groups share identical images with other groups, so those get the same split: a and b"
        in caplog.text
    )


def test_a_split_that_the_source_gives_wins(config: IngestConfig) -> None:
    rows = [
        row("1", group="a", split="test", given=True),
        row("2", group="a"),
        row("1"),
        row("3", split="train", given=True),
        row("3"),
        row("4", group="b", split="train", given=True),
        row("4", split="val", given=True),
    ]
    assert splits(rows, config) == ["test", "test", "test", "train", "train", "train", "val"]


def test_a_group_with_two_given_splits_is_refused_by_name(config: IngestConfig) -> None:
    rows = [row("1", group="a", split="val", given=True), row("2", group="a", split="train", given=True)]
    with pytest.raises(ValueError, match="the group 'a' has images in val and in train"):
        fill_splits(rows, config)


def test_a_smaller_train_keeps_the_classes_shares_and_every_other_image(
    folder_of_two_classes: Path, run: RunIngest
) -> None:
    whole = run(folder_of_two_classes).manifest
    train = whole[whole["split"] == "train"]
    small = run(folder_of_two_classes, max_train_images=6).manifest
    counts = small.loc[small["split"] == "train", "label"].value_counts()
    for label, count in train["label"].value_counts().items():
        assert abs(counts[label] - 6 * count / len(train)) < 1
    assert set(small["path"]) < set(whole["path"])
    held_out = [manifest.loc[manifest["split"] != "train", "path"].tolist() for manifest in (small, whole)]
    assert held_out[0] == held_out[1]
    assert len(run(folder_of_two_classes, max_train_images=1000).manifest) == len(whole)


def test_a_smaller_train_changes_by_few_images_when_one_is_added(config: IngestConfig) -> None:
    rows = [one._replace(label=f"class {position % 13}") for position, one in enumerate(many(1000))]
    limit = replace(config, max_train_images=200)
    before = {one.file.path for one in limit_train(rows, limit)}
    after = {one.file.path for one in limit_train([*rows, row("another", label="class 3")], limit)}
    assert len(after) == 200
    assert len(before - after) <= 2, "it takes a place, and a class's share may round to another"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (GroupConfig(level=1, pattern=None), ["cat", "cat", "dog", "dog"]),
        (GroupConfig(level=2, pattern=None), ["p1", "p2", "p1", None]),
        (GroupConfig(level=None, pattern=r"/(?P<group>p\d)/"), ["p1", "p2", "p1", None]),
        (GroupConfig(level=None, pattern=r"(\d)\.jpg"), ["1", "1", "1", "1"]),
        (None, [None] * 4),
    ],
)
def test_folders_and_patterns_name_groups(
    rule: GroupConfig | None,
    expected: list[str | None],
    tmp_path: Path,
    run: RunIngest,
    write_image: WriteImage,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("cat/p1/1.jpg", "cat/p2/1.jpg", "dog/p1/1.jpg", "dog/1.jpg"):
        write_image(tmp_path / "photos" / "set" / "train" / name)
    caplog.set_level(logging.WARNING)
    result = run(tmp_path / "photos", group=rule, validation_fraction=0.0)
    groups = result.manifest.sort_values("path")["group"].astype(object)
    assert groups.where(groups.notna(), None).tolist() == sorted_by_path(expected)
    assert result.summary["num_groups"] == len(set(expected) - {None})
    assert ("1 of 4 images: each of these is its own group" in caplog.text) == (
        None in expected and rule is not None
    )


def sorted_by_path(groups: list[str | None]) -> list[str | None]:
    """The expected groups above, of the paths as they sort: dog/1.jpg lies before dog/p1/1.jpg."""
    return [*groups[:2], groups[3], groups[2]]


def test_groups_of_a_list_are_its_column_and_hold_across_its_rows(
    tmp_path: Path, run: RunIngest, write_image: WriteImage
) -> None:
    names = [write_image(tmp_path / f"{position}.jpg").name for position in range(30)]
    table = pd.DataFrame(
        {"path": names, "group": [str(position % 6) if position < 24 else "" for position in range(30)]}
    )
    table.to_csv(tmp_path / "list.csv", index=False)
    manifest = run(tmp_path / "list.csv", validation_fraction=0.4).manifest
    assert manifest.groupby("group")["split"].nunique().tolist() == [1] * 6
    assert manifest["group"].isna().sum() == 6
    assert set(manifest["split"]) == {"train", "val"}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"level": 0}, "greater than 0"),
        ({"levle": 1}, r"give null, \{level: N\} or \{pattern: REGEX\}"),
        ({"level": 1, "pattern": "(a)"}, "give null"),
        ({}, "give null"),
        ({"pattern": "p"}, "no parentheses"),
        ({"pattern": "("}, "not a valid regular expression"),
    ],
)
def test_a_rule_of_groups_that_cannot_be_meant_is_refused(
    rule: dict[str, object], words: str, config: IngestConfig
) -> None:
    with pytest.raises(ValueError, match=words):
        from_dict(IngestConfig, to_dict(config) | {"group": rule})


def test_a_rule_of_groups_survives_being_stored(config: IngestConfig) -> None:
    grouped = from_dict(IngestConfig, to_dict(config) | {"group": {"level": 2}})
    assert grouped.group == GroupConfig(level=2, pattern=None)
    assert from_dict(IngestConfig, to_dict(grouped)) == grouped


def test_images_keep_the_splits_of_an_earlier_version_and_others_are_carved(config: IngestConfig) -> None:
    rows = many(200)
    kept = {one.facts.sha256: "val" if place % 3 == 0 else "train" for place, one in enumerate(rows[:100])}
    filled = fill_splits(rows, config, kept)
    assert {one.facts.sha256: one.split for one in filled[:100]} == kept
    fresh = fill_splits(rows[100:], config)
    assert [one.split for one in filled[100:]] == [one.split for one in fresh]
    again = fill_splits(rows[:100], config, kept)  # with no image left to split
    assert {one.facts.sha256: one.split for one in again} == kept
