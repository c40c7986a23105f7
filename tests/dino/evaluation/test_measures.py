"""The report: the same names for every network, and no label asked for that is not there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.config import (
    EvaluateConfig,
    KnnConfig,
    PhotographConfig,
    PictureConfig,
)
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import center_and_scale
from dino_pipeline.dino.evaluation.linear_probe.training import ProbeTraining
from dino_pipeline.dino.evaluation.measures import measure as measure_with_probes
from dino_pipeline.dino.evaluation.measures import summary
from dino_pipeline.dino.metrics.feature_statistics import effective_rank

CPU = torch.device("cpu")
CONFIG = EvaluateConfig(
    knn=KnnConfig(num_neighbors=(1, 20, 200), temperature=0.07),
    linear_head=None,
    picture=PictureConfig(num_images=2, image_size=16),
    photograph=PhotographConfig(image=None, size=16),
    num_threads=1,
)
PROBE = LinearProbeConfig(
    learning_rates=(0.1, 1.0),
    epochs=20,
    batch_size=60,
    momentum=0.9,
    crop_scale=(1.0, 1.0),
    flip_probability=0.0,
    seed=0,
)
NUM_IMAGES = {"train": 60, "val": 20, "test": 20}


def features(noise, seed=0):
    random = np.random.default_rng(seed)
    splits = np.repeat(list(NUM_IMAGES), list(NUM_IMAGES.values()))
    classes = np.arange(100) % 4
    embedding = np.eye(4)[classes] + noise * random.normal(size=(100, 4))
    labels = np.array([f"class {c}" for c in classes], dtype=object)
    return Features(np.arange(100), splits, labels, embedding.astype(np.float32), None)


def trained_probes(features):
    """Classifiers of stored features, by whole batches of them."""
    train = features.split("train")
    x = torch.from_numpy(train.embedding)
    center, scale = center_and_scale(x)
    training = ProbeTraining(PROBE, num_classes=4, center=center, scale=scale)
    for epoch in range(PROBE.epochs):
        training.step(x, torch.arange(60) % 4, epoch=epoch)
    return training.probes


def measure(networks, config, *, device):
    labelled = all(label is not None for label in next(iter(networks.values())).split("train").labels)
    probes = {name: trained_probes(features) for name, features in networks.items()} if labelled else {}
    return measure_with_probes(networks, probes, config, PROBE, device=device)


def test_good_features_score_above_noise_under_the_same_names():
    report = measure({"teacher": features(0.1), "random": features(50.0)}, CONFIG, device=CPU)
    for split in ("val", "test"):
        assert report[split]["teacher"]["knn_20"] == report[split]["teacher"]["linear"] == 1.0
        assert report[split]["random"]["knn_20"] < 0.7
        assert report[split]["teacher"].keys() == report[split]["random"].keys()
    assert report["num_images"] == NUM_IMAGES
    assert report["num_classes"] == 4
    assert report["skipped"] == {}
    assert report["linear_learning_rate"].keys() == {"teacher", "random"}


def test_statistics_are_those_of_the_split():
    teacher = features(1.0)
    report = measure({"teacher": teacher}, CONFIG, device=CPU)
    expected = effective_rank(torch.from_numpy(teacher.embedding[60:80]))
    assert report["val"]["teacher"]["effective_rank"] == pytest.approx(expected)


def test_neighbors_beyond_the_train_images_are_said_to_be_clipped():
    report = measure({"teacher": features(0.1)}, CONFIG, device=CPU)
    assert report["notes"] == ["k-NN with k = 200 uses all 60 train images"]


def test_without_labels_what_needs_them_is_skipped_with_the_reason():
    teacher = features(0.1)
    unlabelled = replace(teacher, labels=np.full(100, None, dtype=object))
    report = measure({"teacher": unlabelled}, CONFIG, device=CPU)
    reason = "60 of the 60 images of train have no label"
    assert report["skipped"] == dict.fromkeys(["val/knn", "val/linear", "test/knn", "test/linear"], reason)
    assert report["test"]["teacher"].keys() == {"feature_std", "effective_rank"}
    assert reason in summary(report, num_neighbors=20)


def test_labels_missing_in_test_alone_leave_validations_accuracies():
    teacher = features(0.1)
    labels = teacher.labels.copy()
    labels[99] = None
    report = measure({"teacher": replace(teacher, labels=labels)}, CONFIG, device=CPU)
    assert report["val"]["teacher"]["knn_20"] == report["val"]["teacher"]["linear"] == 1.0
    assert report["skipped"].keys() == {"test/knn", "test/linear"}
    assert "1 of the 20 images of test" in report["skipped"]["test/linear"]


def test_without_validation_no_learning_rate_can_be_chosen_and_test_has_no_linear_accuracy():
    teacher = features(0.1)
    labels = teacher.labels.copy()
    labels[60] = None
    report = measure({"teacher": replace(teacher, labels=labels)}, CONFIG, device=CPU)
    assert report["test"]["teacher"]["knn_20"] == 1.0
    assert "linear" not in report["test"]["teacher"]
    assert "chosen on validation" in report["skipped"]["test/linear"]


def test_the_summary_shows_percent_in_aligned_columns():
    report = measure({"teacher": features(0.1), "histogram": features(50.0)}, CONFIG, device=CPU)
    lines = summary(report, num_neighbors=20).splitlines()
    assert lines[0].split("  ")[-1] == "linear test"
    assert lines[1].split() == ["teacher", "100.0", "100.0", "100.0", "100.0"]
    assert len({len(line) for line in lines[:3]}) == 1


def test_measuring_twice_gives_the_same_report():
    networks = {"teacher": features(2.0)}
    assert measure(networks, CONFIG, device=CPU) == measure(networks, CONFIG, device=CPU)


def test_a_split_without_images_has_no_numbers_and_a_reason() -> None:
    teacher = features(0.1)
    without_test = Features(
        *(column[:80] for column in (teacher.row_ids, teacher.splits, teacher.labels, teacher.embedding)),
        None,
    )
    report = measure({"teacher": without_test}, CONFIG, device=CPU)
    assert report["test"]["teacher"] == {}
    assert report["val"]["teacher"]["knn_20"] == 1.0
    assert report["val"]["teacher"]["linear"] == 1.0
    assert report["skipped"] == dict.fromkeys(["test/knn", "test/linear"], "test has no images")
    table = summary(report, num_neighbors=20)
    assert "100.0" in table
    assert "nan" not in table


def test_nothing_is_noted_of_neighbours_that_were_not_looked_for() -> None:
    teacher = features(0.1)
    teacher.labels[:] = None
    assert measure({"teacher": teacher}, CONFIG, device=CPU)["notes"] == []
