"""k-NN against the reference's numbers and scikit-learn."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from dino_pipeline.dino.metrics import knn, nearest
from dino_pipeline.dino.metrics.knn import knn_accuracy, knn_rank_classes, knn_votes

GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR") or Path(__file__).parents[2] / "golden")


def clustered(num_images, seed, num_classes=7, dim=12):
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(num_classes, dim, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    labels = torch.randint(num_classes, (num_images,), generator=generator)
    noise = torch.randn(num_images, dim, generator=generator, dtype=torch.float64)
    return centers[labels] + 2 * noise, labels


def in_pieces(monkeypatch):
    for name, size in (("_SEARCHED_AT_ONCE", 7), ("_VOTING_AT_ONCE", 3)):
        monkeypatch.setattr(knn, name, size)
    for name, size in (("_ROWS", 13), ("_QUERIES", 4)):
        monkeypatch.setattr(nearest, name, size)


@pytest.mark.golden
def test_accuracies_equal_the_references(monkeypatch):
    in_pieces(monkeypatch)
    golden = np.load(GOLDEN_DIR / "knn.npz")
    ks = [int(name[1:-5]) for name in golden.files if name.endswith("_top1")]
    names = ("train_features", "train_labels", "test_features", "test_labels")
    ours = knn_accuracy(
        *(torch.from_numpy(golden[name]) for name in names),
        num_neighbors=ks,
        temperature=float(golden["temperature"]),
    )
    for k in ks:
        assert 100 * ours[k].top1 == pytest.approx(float(golden[f"k{k}_top1"]), abs=1e-9)
        if f"k{k}_top5" in golden:
            assert 100 * ours[k].top5 == pytest.approx(float(golden[f"k{k}_top5"]), abs=1e-9)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_predictions_equal_scikit_learns_weighted_neighbors(k):
    train, train_labels = clustered(200, seed=0)
    test, _ = clustered(90, seed=1)
    # on the unit sphere |a - b|^2 = 2 - 2 cos, so Euclidean neighbours are the cosine ones
    classifier = KNeighborsClassifier(k, weights=lambda distance: np.exp((1 - distance**2 / 2) / 0.07))
    classifier.fit(torch.nn.functional.normalize(train, dim=1).numpy(), train_labels.numpy())
    expected = classifier.predict(torch.nn.functional.normalize(test, dim=1).numpy())
    ranked = knn_rank_classes(train, train_labels, test, num_neighbors=[k], temperature=0.07)
    assert ranked[k][:, 0].tolist() == expected.tolist()


def test_chunk_sizes_and_company_of_other_ks_change_nothing(monkeypatch):
    train, train_labels = clustered(130, seed=2)
    test, _ = clustered(41, seed=3)
    whole = knn_rank_classes(train, train_labels, test, num_neighbors=[20], temperature=0.07)
    in_pieces(monkeypatch)
    chunked = knn_rank_classes(train, train_labels, test, num_neighbors=[50, 3, 20], temperature=0.07)
    assert torch.equal(whole[20], chunked[20])
    assert list(chunked) == [50, 3, 20]


def test_more_neighbors_than_training_images_means_all_of_them(monkeypatch):
    in_pieces(monkeypatch)
    train, train_labels = clustered(30, seed=4)
    test, test_labels = clustered(40, seed=5)
    accuracy = knn_accuracy(train, train_labels, test, test_labels, num_neighbors=[30, 200], temperature=0.07)
    assert accuracy[200] == accuracy[30]


def test_classes_come_from_the_labels_and_a_class_unknown_to_train_is_wrong():
    train = torch.eye(3)
    labels = torch.tensor([1007, -4, 12])
    ranked = knn_rank_classes(train, labels, train, num_neighbors=[1], temperature=0.07)
    assert ranked[1][:, 0].tolist() == [1007, -4, 12]
    accuracy = knn_accuracy(
        train, labels, train, torch.tensor([1007, -4, 5]), num_neighbors=[1], temperature=0.07
    )
    assert accuracy[1].top1 == pytest.approx(2 / 3)


def test_one_close_neighbor_outvotes_two_far_ones():
    train = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    ranked = knn_rank_classes(
        train, torch.tensor([0, 1, 1]), torch.tensor([[5.0, 1.0]]), num_neighbors=[3], temperature=0.07
    )
    assert ranked[3].tolist() == [[0, 1]]


def test_votes_are_sums_of_the_neighbors_weights(monkeypatch):
    in_pieces(monkeypatch)
    train, train_labels = clustered(60, seed=6)
    test, _ = clustered(9, seed=7)
    votes = knn_votes(
        train,
        train_labels,
        test,
        num_classes=8,
        num_neighbors=[4, 10],
        temperature=0.5,
    )
    cosines = torch.nn.functional.cosine_similarity(test[:, None], train[None], dim=2)
    for k, found in votes.items():
        expected = torch.zeros(9, 8, dtype=torch.float64)
        for query in range(9):
            for neighbor in cosines[query].argsort(descending=True)[:k].tolist():
                expected[query, train_labels[neighbor]] += torch.exp(cosines[query, neighbor] / 0.5)
        torch.testing.assert_close(found, expected)


def test_equally_many_votes_rank_in_the_labels_order():
    train = torch.eye(4)
    ranked = knn_rank_classes(
        train, torch.tensor([9, 3, 7, 5]), torch.ones(1, 4), num_neighbors=[4], temperature=0.07
    )
    assert ranked[4].tolist() == [[3, 5, 7, 9]]


def test_an_empty_side_is_a_clear_error():
    with pytest.raises(ValueError, match="got 0 and 2"):
        knn_rank_classes(
            torch.empty(0, 3), torch.empty(0), torch.ones(2, 3), num_neighbors=[1], temperature=0.07
        )
    with pytest.raises(ValueError, match="1 or more"):
        knn_rank_classes(
            torch.ones(2, 3), torch.ones(2), torch.ones(2, 3), num_neighbors=[0], temperature=0.07
        )
