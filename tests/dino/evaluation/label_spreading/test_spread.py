"""Spreading against a naive loop over images and neighbours."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.label_spreading import spread as spread_module
from dino_pipeline.dino.evaluation.label_spreading.config import LabelSpreadingConfig
from dino_pipeline.dino.evaluation.label_spreading.given import Given
from dino_pipeline.dino.evaluation.label_spreading.spread import spread_labels

CPU = torch.device("cpu")
CONFIG = LabelSpreadingConfig(
    labels=None, fraction=0.1, seed=0, num_neighbors=3, temperature=0.2, assignment="soft", num_threads=1
)
EMBEDDING = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
GIVEN = Given(np.array([1, 4, 9, 17, 25, 39]), ["ant", "bee", "cow"], np.array([0, 1, 2, 0, 1, 1]))


def naive_shares(query, num_neighbors=3, temperature=0.2):
    """The formula, one neighbour at a time."""
    cosines = []
    for position, label in zip(GIVEN.positions, GIVEN.labels, strict=True):
        other = EMBEDDING[position].astype(float)
        cosines.append((float(query @ other) / math.hypot(*query) / math.hypot(*other), label))
    votes = [0.0, 0.0, 0.0]
    for cosine, label in sorted(cosines, reverse=True)[:num_neighbors]:
        votes[label] += math.exp(cosine / temperature)
    return [vote / sum(votes) for vote in votes]


@pytest.mark.parametrize("num_neighbors", [3, 100])
def test_labels_confidences_and_probabilities_are_those_of_the_naive_loop(num_neighbors, monkeypatch):
    monkeypatch.setattr(spread_module, "_QUERY_CHUNK", 7)
    spread = spread_labels(EMBEDDING, GIVEN, replace(CONFIG, num_neighbors=num_neighbors), device=CPU)
    for position in sorted(set(range(40)) - set(GIVEN.positions.tolist())):
        shares = naive_shares(EMBEDDING[position].astype(float), num_neighbors)
        np.testing.assert_allclose(spread.probabilities[position], shares, atol=1e-5)
        assert spread.labels[position] == int(np.argmax(shares))
        assert spread.confidence[position] == pytest.approx(max(shares), abs=1e-5)


def test_given_labels_stay_whatever_their_neighbours_say():
    spread = spread_labels(EMBEDDING, GIVEN, CONFIG, device=CPU)
    assert spread.labels[GIVEN.positions].tolist() == GIVEN.labels.tolist()
    assert (spread.confidence[GIVEN.positions] == 1).all()
    np.testing.assert_array_equal(spread.probabilities[GIVEN.positions], np.eye(3)[GIVEN.labels])


def test_hard_is_soft_without_probabilities():
    soft = spread_labels(EMBEDDING, GIVEN, CONFIG, device=CPU)
    hard = spread_labels(EMBEDDING, GIVEN, replace(CONFIG, assignment="hard"), device=CPU)
    assert hard.probabilities is None
    assert hard.labels.tolist() == soft.labels.tolist()


def test_the_lowest_temperature_overflows_nothing():
    spread = spread_labels(EMBEDDING, GIVEN, replace(CONFIG, temperature=0.02), device=CPU)
    assert np.isfinite(spread.probabilities).all()
