"""Linear probes against one torch.optim.SGD run a learning rate."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from dino_pipeline.dino.evaluation.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe import (
    LabelledFeatures,
    center_and_scale,
    evaluate_linear_probe,
    train_linear_probes,
)

CONFIG = LinearProbeConfig(learning_rates=(0.3, 0.01, 2.0), epochs=7, batch_size=16, momentum=0.9, seed=5)


def clustered(num_images, seed, num_classes=4, dim=6, noise=1.0):
    centers = torch.randn(num_classes, dim, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_images) % num_classes
    features = centers[labels] + noise * torch.randn(
        num_images, dim, generator=generator, dtype=torch.float64
    )
    return LabelledFeatures(features, labels)


def naive_probe(features, labels, learning_rate, config):
    """The paper's loop as torch spells it, drawing start and batches as the module says it does."""
    generator = torch.Generator().manual_seed(config.seed)
    linear = nn.Linear(features.shape[1], 4, dtype=torch.float64)
    start = torch.randn(features.shape[1], 1, 4, generator=generator) * 0.01
    linear.weight.data.copy_(start[:, 0].T)
    linear.bias.data.zero_()
    optimizer = torch.optim.SGD(
        linear.parameters(), lr=learning_rate * config.batch_size / 256, momentum=config.momentum
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs, eta_min=0)
    for _ in range(config.epochs):
        for batch in torch.randperm(len(features), generator=generator).split(config.batch_size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(linear(features[batch]), labels[batch]).backward()
            optimizer.step()
        scheduler.step()
    return linear


def test_probes_trained_at_once_equal_one_sgd_run_each():
    features, labels = clustered(50, seed=0)  # 50 is not a multiple of 16: the last batch is smaller
    probes = train_linear_probes(features, labels, CONFIG)
    for index, learning_rate in enumerate(CONFIG.learning_rates):
        naive = naive_probe(features, labels, learning_rate, CONFIG)
        torch.testing.assert_close(probes.weight[:, index], naive.weight.T, atol=1e-8, rtol=1e-7)
        torch.testing.assert_close(probes.bias[index], naive.bias, atol=1e-8, rtol=1e-7)


def test_predictions_are_each_classifiers_own():
    features, labels = clustered(50, seed=0)
    probes = train_linear_probes(features, labels, CONFIG)
    expected = [(features @ probes.weight[:, i] + probes.bias[i]).argmax(dim=1) for i in range(3)]
    assert torch.equal(probes.predict(features), torch.stack(expected, dim=1))


def test_the_learning_rate_is_chosen_on_validation_and_test_is_scored_once():
    train, val, test = (clustered(80, seed=seed, noise=2.0) for seed in (0, 1, 2))
    result = evaluate_linear_probe(train, val, test, CONFIG)
    features, (val_features, test_features) = center_and_scale(train.features, val.features, test.features)
    scores = {}
    for rate in CONFIG.learning_rates:
        probe = train_linear_probes(features, train.labels, replace(CONFIG, learning_rates=(rate,)))
        scores[rate] = tuple(
            float((probe.predict(x)[:, 0] == y).double().mean())
            for x, y in ((val_features, val.labels), (test_features, test.labels))
        )
    best = max(scores, key=lambda rate: (scores[rate][0], -rate))
    assert result == (best, *scores[best])


def test_of_equally_good_learning_rates_the_smallest_is_chosen():
    separable = clustered(40, seed=0, noise=0.001)
    config = replace(CONFIG, learning_rates=(5.0, 0.3, 2.0))
    assert evaluate_linear_probe(separable, separable, separable, config) == (0.3, 1.0, 1.0)


def test_a_class_that_train_has_not_counts_as_wrong():
    separable = clustered(40, seed=0, noise=0.001)
    unknown = LabelledFeatures(separable.features, torch.where(separable.labels == 0, -1, separable.labels))
    assert evaluate_linear_probe(separable, separable, unknown, CONFIG).test == pytest.approx(0.75)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_features_scale_and_offset_change_no_result(factor):
    train, val, test = (clustered(60, seed=seed, noise=2.0) for seed in (0, 1, 2))
    moved = [
        LabelledFeatures(part.features * factor + 3 * factor, part.labels) for part in (train, val, test)
    ]
    assert evaluate_linear_probe(*moved, CONFIG) == evaluate_linear_probe(train, val, test, CONFIG)
