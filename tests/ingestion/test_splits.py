"""A carved split is seeded, stratified, and decided by content alone."""

from collections import Counter

from dino_pipeline.ingestion.splits import carve

HASHES = [f"image {number}" for number in range(1000)]
LABELS = ["common" if number % 10 else "rare" for number in range(1000)]


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
