"""Failures against scikit-learn and against formulas written out."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, recall_score
from sklearn.neighbors import KNeighborsClassifier

from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.evaluations.failure_cards.measure import (
    Classified,
    accuracies,
    classify,
    confusions,
    failure_cards,
)

CPU = torch.device("cpu")
K, TEMPERATURE = 7, 0.07
CLASSES = ["ape", "bee", "cat", "dog"]


def features(num_images: int, *, split: str, first_row: int, seed: int) -> Features:
    """Noisy directions of four classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, num_images)
    embedding = (np.eye(6)[labels] + 0.6 * random.normal(size=(num_images, 6))).astype(np.float32)
    return Features(
        row_ids=np.arange(first_row, first_row + num_images),
        splits=np.full(num_images, split),
        labels=np.array(CLASSES, dtype=np.object_)[labels],
        embedding=embedding,
        linear=None,
    )


TRAIN = features(80, split="train", first_row=0, seed=0)
VAL = features(50, split="val", first_row=80, seed=1)


@pytest.fixture(scope="module")
def classified() -> Classified:
    return classify(TRAIN, VAL, num_neighbors=K, temperature=TEMPERATURE, device=CPU)


@pytest.fixture(scope="module")
def reference() -> KNeighborsClassifier:
    """Weights by cosine distance: exp((1 - distance) / temperature)."""
    knn = KNeighborsClassifier(
        K, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / TEMPERATURE)
    )
    return knn.fit(TRAIN.embedding, TRAIN.labels.astype(str))


def test_classes_and_votes_are_scikit_learns(classified, reference):
    shares = reference.predict_proba(VAL.embedding)
    own = np.array([CLASSES.index(label) for label in VAL.labels])
    np.testing.assert_array_equal(classified.predicted, reference.predict(VAL.embedding))
    np.testing.assert_allclose(classified.label_share, shares[np.arange(50), own], atol=1e-5)
    np.testing.assert_allclose(classified.predicted_share, shares.max(axis=1), atol=1e-5)
    others = [np.delete(row, column).max() for row, column in zip(shares, own, strict=True)]
    np.testing.assert_allclose(classified.margin, others - shares[np.arange(50), own], atol=1e-5)
    assert 0 < classified.is_right.sum() < 50


def test_accuracy_of_a_class_is_its_recall(classified):
    by_class = accuracies(classified.labels.tolist(), classified.is_right)
    recalls = recall_score(
        VAL.labels.astype(str), classified.predicted.astype(str), average=None, labels=CLASSES
    )
    assert list(by_class) == CLASSES
    np.testing.assert_allclose([of["accuracy"] for of in by_class.values()], recalls)
    assert sum(of["num_images"] for of in by_class.values()) == 50


def test_accuracy_of_a_group_is_the_share_of_its_images_that_is_right():
    by_group = accuracies(["b", "a", "b", "b"], np.array([True, False, False, True]))
    assert by_group == {
        "a": {"num_images": 1, "num_right": 0, "accuracy": 0.0},
        "b": {"num_images": 3, "num_right": 2, "accuracy": 2 / 3},
    }


def test_confusions_are_the_largest_entries_off_the_diagonal(classified):
    matrix = confusion_matrix(VAL.labels.astype(str), classified.predicted.astype(str), labels=CLASSES)
    expected = [
        (-matrix[i, j], CLASSES[i], CLASSES[j]) for i in range(4) for j in range(4) if i != j and matrix[i, j]
    ]
    pairs = confusions(classified, 100)
    assert [(-pair["num_images"], pair["label"], pair["predicted"]) for pair in pairs] == sorted(expected)
    assert pairs[0]["share"] == pairs[0]["num_images"] / (VAL.labels == pairs[0]["label"]).sum()
    assert confusions(classified, 2) == pairs[:2]


def test_cards_are_the_wrong_images_by_margin_with_their_nearest_train_images(classified):
    cards = failure_cards(TRAIN, VAL, classified, num_cards=1000, num_neighbors=3, device=CPU)
    wrong = {80 + position for position in np.flatnonzero(~classified.is_right)}
    assert {card.row_id for card in cards} == wrong
    assert all(card.margin >= later.margin > 0 for card, later in pairwise(cards))
    unit = TRAIN.embedding / np.linalg.norm(TRAIN.embedding, axis=1, keepdims=True)
    for card in cards:
        query = VAL.embedding[card.row_id - 80]
        cosines = unit @ query / np.linalg.norm(query)
        assert [neighbor.row_id for neighbor in card.neighbors] == np.argsort(-cosines)[:3].tolist()
        assert [neighbor.cosine for neighbor in card.neighbors] == pytest.approx(np.sort(-cosines)[:3] * -1)
        assert [neighbor.label for neighbor in card.neighbors] == TRAIN.labels[
            [neighbor.row_id for neighbor in card.neighbors]
        ].tolist()
    assert [card.row_id for card in cards[:2]] == [
        card.row_id
        for card in failure_cards(TRAIN, VAL, classified, num_cards=2, num_neighbors=1, device=CPU)
    ]


def test_an_image_of_a_class_that_train_lacks_is_wrong_and_has_no_vote():
    strange = Features(
        VAL.row_ids, VAL.splits, np.array(["eel", *VAL.labels[1:]], dtype=np.object_), VAL.embedding, None
    )
    classified = classify(TRAIN, strange, num_neighbors=K, temperature=TEMPERATURE, device=CPU)
    assert not classified.is_right[0]
    assert classified.label_share[0] == 0
    assert classified.margin[0] == classified.predicted_share[0]
