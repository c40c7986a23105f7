"""Linear classification of frozen features by the paper's SGD protocol (arXiv:2104.14294).

SGD with momentum, no weight decay, cosine to zero over the epochs, weights from N(0, 0.01), learning rate
swept. This is the cached-feature variant: an image has one stored feature, of its evaluation crop, where the
paper runs the backbone on a fresh random crop in every epoch. Accuracies compare with one another, not with
the paper's. All features, baselines too, are centered on the train mean and divided by one number, so that
one grid of learning rates serves features of any scale; what a linear classifier can say stays the same.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.config import LinearProbeConfig

CHUNK = 8192


class LinearProbes(NamedTuple):
    """One classifier a learning rate: weights [dimensions, rates, classes], biases [rates, classes]."""

    weight: Tensor
    bias: Tensor

    def predict(self, features: Tensor) -> Tensor:
        """Class of each image by each classifier: [images, rates]."""
        chunks = range(0, len(features), CHUNK)
        return torch.cat([_logits(self, features[i : i + CHUNK]).argmax(dim=-1) for i in chunks])


class LinearProbeResult(NamedTuple):
    """Top-1 shares in [0, 1] of the classifier that was best on validation."""

    learning_rate: float
    val: float
    test: float


class LabelledFeatures(NamedTuple):
    """Features [images, dimensions] and classes int64 [images]; -1 is a class that train has not."""

    features: Tensor
    labels: Tensor


def evaluate_linear_probe(
    train: LabelledFeatures, val: LabelledFeatures, test: LabelledFeatures, config: LinearProbeConfig
) -> LinearProbeResult:
    """Train on `train`, choose the learning rate on `val`, score that classifier once on `test`.

    Of learning rates that do equally well the smallest is chosen.
    """
    features, (val_features, test_features) = center_and_scale(train.features, val.features, test.features)
    probes = train_linear_probes(features, train.labels, config)
    val_accuracies = (probes.predict(val_features) == val.labels[:, None]).double().mean(dim=0).tolist()
    order = sorted(range(len(val_accuracies)), key=lambda i: (-val_accuracies[i], config.learning_rates[i]))
    best = order[0]
    chosen = LinearProbes(probes.weight[:, best : best + 1], probes.bias[best : best + 1])
    test_accuracy = float((chosen.predict(test_features)[:, 0] == test.labels).double().mean())
    return LinearProbeResult(config.learning_rates[best], val_accuracies[best], test_accuracy)


def center_and_scale(train: Tensor, *others: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Subtract the train mean; divide by the root mean square that train then has over all its values."""
    center = train.mean(dim=0)
    scale = (train - center).square().mean().sqrt().clamp(min=torch.finfo(train.dtype).tiny)
    return (train - center) / scale, [(other - center) / scale for other in others]


@torch.no_grad()
def train_linear_probes(features: Tensor, labels: Tensor, config: LinearProbeConfig) -> LinearProbes:
    """Train a classifier for each learning rate at once, all by the same batches from the same start.

    Args:
        features: [images, dimensions].
        labels: int64 [images], classes 0, 1, ... of which every one is meant to occur.
    """
    num_images, dim = features.shape
    num_rates, num_classes = len(config.learning_rates), int(labels.max()) + 1
    # Drawn on the CPU, so that a GPU sees the same start and order.
    generator = torch.Generator().manual_seed(config.seed)
    start = torch.randn(dim, 1, num_classes, generator=generator).to(features) * 0.01
    weight = start.repeat(1, num_rates, 1)
    bias = features.new_zeros(num_rates, num_classes)
    probes = LinearProbes(weight, bias)
    velocities = LinearProbes(torch.zeros_like(weight), torch.zeros_like(bias))
    peak = features.new_tensor(config.learning_rates)[:, None] * config.batch_size / 256
    for epoch in range(config.epochs):
        rate = peak * 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
        order = torch.randperm(num_images, generator=generator).to(features.device)
        for first in range(0, num_images, config.batch_size):
            batch = order[first : first + config.batch_size]
            x = features[batch]
            error = _logits(probes, x).softmax(dim=-1)  # becomes d loss / d logits
            error -= F.one_hot(labels[batch], num_classes).unsqueeze(1)
            error /= len(batch)
            gradient = (x.T @ error.flatten(1)).view_as(weight)
            velocities.weight.mul_(config.momentum).add_(gradient)
            velocities.bias.mul_(config.momentum).add_(error.sum(dim=0))
            weight.sub_(rate * velocities.weight)
            bias.sub_(rate * velocities.bias)
    return probes


def _logits(probes: LinearProbes, features: Tensor) -> Tensor:
    """[images, rates, classes], all rates in one product."""
    logits = features @ probes.weight.flatten(1)
    return logits.view(len(features), *probes.bias.shape) + probes.bias
