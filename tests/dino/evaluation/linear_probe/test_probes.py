"""Choosing among linear classifiers, and storing them."""

from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.evaluation.linear_probe.probes import (
    LabelledFeatures,
    LinearProbes,
    center_and_scale,
    read_probes,
    score_linear_probes,
    write_probes,
)

# Three classifiers of one number into two classes: positive, its opposite, and always class 1.
PROBES = LinearProbes(
    center=torch.tensor([10.0]),
    scale=torch.tensor(2.0),
    weight=torch.tensor([[[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]]),
    bias=torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]]),
)
FEATURES = torch.tensor([[8.0], [9.0], [11.0], [15.0]])


def labelled(*labels):
    return LabelledFeatures(FEATURES, torch.tensor(labels))


def test_predictions_are_each_classifiers_own():
    assert PROBES.predict(FEATURES).tolist() == [[0, 1, 1], [0, 1, 1], [1, 0, 1], [1, 0, 1]]


def test_the_learning_rate_is_chosen_on_validation_and_test_is_scored_once():
    result = score_linear_probes(PROBES, (0.3, 0.1, 0.2), labelled(0, 0, 1, 1), labelled(1, 1, 0, 1))
    assert result == (0.3, 1.0, 0.25)


def test_of_equally_good_learning_rates_the_smallest_is_chosen():
    # The first and the third are right on three of four.
    result = score_linear_probes(PROBES, (0.3, 0.1, 0.2), labelled(0, 1, 1, 1), labelled(1, 1, 1, 1))
    assert result == (0.2, 0.75, 1.0)


def test_without_a_test_split_validation_is_all():
    assert score_linear_probes(PROBES, (0.3, 0.1, 0.2), labelled(0, 0, 1, 1), None) == (0.3, 1.0, None)


def test_a_class_that_train_has_not_counts_as_wrong():
    result = score_linear_probes(PROBES, (0.3, 0.1, 0.2), labelled(0, 0, 1, 1), labelled(-1, 0, 1, 1))
    assert result.test == pytest.approx(0.75)


def test_center_and_scale_leave_mean_0_and_mean_square_1():
    features = torch.tensor([[1.0, 10.0], [3.0, 30.0]], dtype=torch.float64)
    center, scale = center_and_scale(features)
    assert center.tolist() == [2.0, 20.0]
    assert scale.item() == pytest.approx(((1 + 1 + 100 + 100) / 4) ** 0.5)


OTHERS = LinearProbes(*(tensor + 1 for tensor in PROBES))


@pytest.mark.parametrize("probes", [{}, {"teacher": PROBES, "student": OTHERS}])
def test_probes_are_read_as_they_were_written(tmp_path: Path, probes):
    path = tmp_path / "folder" / "probes.safetensors"
    write_probes(path, probes)
    read = read_probes(path)
    assert read.keys() == probes.keys()
    for name, network in probes.items():
        assert all(torch.equal(a, b) for a, b in zip(read[name], network, strict=True))
