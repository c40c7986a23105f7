"""A carved split is seeded, stratified, and decided by content alone."""

from collections import Counter
from pathlib import Path

import pytest

from dino_pipeline.ingestion.splits import carve

from .conftest import RunIngest, WriteImage

HASHES = [f"image {number}" for number in range(1000)]
LABELS = ["common" if number % 10 else "rare" for number in range(1000)]


@pytest.fixture
def folder_of_two_classes(tmp_path: Path, write_image: WriteImage) -> Path:
    for number in range(10):
        write_image(tmp_path / "photos" / "cat" / f"{number}.jpg")
        write_image(tmp_path / "photos" / "dog" / f"{number}.jpg")
    return tmp_path / "photos"


def test_each_class_gives_its_share() -> None:
    chosen = carve(HASHES, LABELS, fraction=0.15, seed=0)
    assert sum(chosen) == 150
    counts = Counter(label for label, is_chosen in zip(LABELS, chosen, strict=True) if is_chosen)
    assert abs(counts["rare"] - 15) <= 1


def test_small_classes_are_not_passed_over_together() -> None:
    classes = [str(number // 4) for number in range(400)]  # 4 images each, a tenth is less than one
    assert sum(carve(HASHES[:400], classes, fraction=0.1, seed=0)) == 40


def test_the_seed_decides_and_the_order_of_files_does_not() -> None:
    chosen = dict(zip(HASHES, carve(HASHES, LABELS, fraction=0.1, seed=3), strict=True))
    backwards = dict(zip(HASHES[::-1], carve(HASHES[::-1], LABELS[::-1], fraction=0.1, seed=3), strict=True))
    assert chosen == backwards
    assert list(chosen.values()) != carve(HASHES, LABELS, fraction=0.1, seed=4)


def test_equal_bytes_stay_together() -> None:
    twice = HASHES + HASHES
    chosen = carve(twice, [None] * 2000, fraction=0.3, seed=0)
    assert chosen[:1000] == chosen[1000:]
    assert sum(chosen) == 600


def test_a_smaller_train_keeps_the_classes_shares_and_every_other_image(
    folder_of_two_classes: Path, run: RunIngest
) -> None:
    whole = run(folder_of_two_classes).manifest
    small = run(folder_of_two_classes, max_train_images=6).manifest
    train, held_out = small[small["split"] == "train"], small[small["split"] != "train"]
    assert train["label"].value_counts().to_dict() == {"cat": 3, "dog": 3}
    assert set(train["path"]) < set(whole.loc[whole["split"] == "train", "path"])
    assert list(held_out["path"]) == list(whole.loc[whole["split"] != "train", "path"])
    assert len(run(folder_of_two_classes, max_train_images=1000).manifest) == len(whole)
