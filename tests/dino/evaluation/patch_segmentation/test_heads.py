"""Heads learn what labelled patches say, and choose by held-out images only."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn import metrics
from sklearn.neighbors import KNeighborsClassifier

from dino_pipeline.dino.evaluation.patch_segmentation.heads import (
    confusion_matrix,
    fit_heads,
    iou_per_class,
    mean_iou,
    measures,
)
from dino_pipeline.dino.evaluation.patch_segmentation.tokens import LabelledPatches


@pytest.fixture
def patches():
    """Three clusters, of classes 0, 3 and 8, over four images."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([0, 3, 8]).repeat(20)
    centers = torch.randn(9, 6, generator=generator)
    tokens = 100 + centers[labels] + 0.8 * torch.randn(60, 6, generator=generator)
    return LabelledPatches(tokens, labels, torch.arange(60) // 15)


def test_knn_scores_are_scikit_learns_shares_of_votes(patches, config):
    queries = patches.tokens[:7] + 0.1
    scores = fit_heads(patches, config).score(queries)
    judge = KNeighborsClassifier(
        5, metric="cosine", weights=lambda distances: np.exp((1 - distances) / config.knn.temperature)
    )
    judge.fit(patches.tokens.double(), patches.labels)
    np.testing.assert_allclose(scores["knn_5"], judge.predict_proba(queries.double()), atol=1e-3)


def logistic_regression(tokens, targets, rate, config):
    """Softmax regression by torch's own SGD and gradients, on standardised tokens."""
    center = tokens.mean(dim=0)
    scale = (tokens - center).square().mean().sqrt()
    generator = torch.Generator().manual_seed(config.seed)
    num_classes = int(targets.max()) + 1
    start = torch.randn(tokens.shape[1], 1, num_classes, generator=generator)[:, 0] * 0.01
    weight, bias = start.requires_grad_(), torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.SGD([weight, bias], lr=1.0, momentum=config.momentum)
    order = torch.Generator().manual_seed(config.seed)
    for epoch in range(config.epochs):
        shrunk = 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
        optimizer.param_groups[0]["lr"] = rate * config.batch_size / 256 * shrunk
        for batch in torch.randperm(len(tokens), generator=order).split(config.batch_size):
            logits = (tokens[batch] - center) / scale @ weight + bias
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(logits, targets[batch]).backward()
            optimizer.step()
    return lambda queries: ((queries - center) / scale @ weight + bias).detach()


def test_the_linear_head_is_softmax_regression_of_all_labelled_patches(patches, config):
    heads = fit_heads(patches, config)
    assert heads.classes.tolist() == [0, 3, 8]
    targets = torch.tensor([0, 1, 2]).repeat(20)
    expected = logistic_regression(patches.tokens, targets, heads.learning_rate, config.linear)
    torch.testing.assert_close(
        heads.score(patches.tokens[:7])["linear"], expected(patches.tokens[:7]), rtol=1e-3, atol=1e-3
    )


def test_the_learning_rate_is_chosen_by_the_last_images(patches, config):
    # Far too small a rate stays at its random start. Labels of the images that choose decide which one is best.
    rates = replace(config, linear=replace(config.linear, learning_rates=(1e-9, 1.0)))
    assert fit_heads(patches, rates).learning_rate == 1.0
    unlearned = logistic_regression(
        patches.tokens[:30], torch.tensor([0, 1, 2]).repeat(10), 1e-9, config.linear
    )
    its_answers = unlearned(patches.tokens[30:]).argmax(dim=1)
    flattering = torch.cat([patches.labels[:30], torch.tensor([0, 3, 8])[its_answers]])
    assert fit_heads(patches._replace(labels=flattering), rates).learning_rate == 1e-9


@pytest.fixture
def masks():
    """Truth with void, and a prediction that also has a class, 7, which the truth has not."""
    generator = np.random.default_rng(0)
    truth = generator.choice([0, 2, 5, 255], (17, 13), p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    wrong = generator.choice([0, 2, 7], truth.shape)
    predicted = np.where((truth == 255) | (generator.random(truth.shape) < 0.4), wrong, truth)
    return truth, predicted.astype(np.uint8)


def test_the_matrix_is_scikit_learns_without_void(masks):
    truth, predicted = masks
    known = truth != 255
    expected = metrics.confusion_matrix(truth[known], predicted[known], labels=range(256))
    np.testing.assert_array_equal(confusion_matrix(*map(torch.from_numpy, masks)), expected)


def test_miou_is_the_mean_over_classes_of_the_truth(masks):
    truth, predicted = masks
    known = truth != 255
    confusion = confusion_matrix(*map(torch.from_numpy, masks))
    expected = metrics.jaccard_score(truth[known], predicted[known], labels=[0, 2, 5], average=None)
    assert list(iou_per_class(confusion)) == [0, 2, 5]
    np.testing.assert_allclose(list(iou_per_class(confusion).values()), expected, rtol=1e-12)
    found = measures(confusion)
    assert found["miou"] == mean_iou(confusion) == pytest.approx(expected.mean(), rel=1e-12)
    assert found["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(truth[known], predicted[known]))
    assert list(found["iou"]) == ["0", "2", "5"]


def test_matrices_of_parts_add_up_to_that_of_the_whole(masks):
    truth, predicted = map(torch.from_numpy, masks)
    parts = confusion_matrix(truth[:6], predicted[:6]) + confusion_matrix(truth[6:], predicted[6:])
    torch.testing.assert_close(parts, confusion_matrix(truth, predicted))
