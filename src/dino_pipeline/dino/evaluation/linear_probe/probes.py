"""Linear classifiers of frozen features, one per learning rate; validation chooses one, test scores it once."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save
from torch import Tensor

CHUNK = 8192


class LinearProbes(NamedTuple):
    """One classifier per learning rate, for features that are first centered and scaled.

    All features, including baselines, are centered on the train mean and divided by one number, so that one grid of
    learning rates works for features of any scale. This does not change what a linear classifier can represent.
    """

    center: Tensor  # [dimensions]
    scale: Tensor  # []
    weight: Tensor  # [dimensions, rates, classes]
    bias: Tensor  # [rates, classes]

    def normalise(self, features: Tensor) -> Tensor:
        """Center and scale [images, dimensions]."""
        return (features - self.center).div_(self.scale)

    def logits(self, normalised: Tensor) -> Tensor:
        """Logits [images, rates, classes] of normalised features, with all rates in one product."""
        product = normalised @ self.weight.flatten(1)
        return product.view(len(normalised), *self.bias.shape) + self.bias

    def predict(self, features: Tensor) -> Tensor:
        """Class of each image by each classifier: [images, rates]."""
        chunks = features.split(CHUNK)
        return torch.cat([self.logits(self.normalise(chunk)).argmax(dim=-1) for chunk in chunks])


def center_and_scale(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of train features [images, dimensions], and the root mean square of all centered values."""
    center = features.mean(dim=0)
    scale = (features - center).square().mean().sqrt().clamp(min=torch.finfo(features.dtype).tiny)
    return center, scale


class LabelledFeatures(NamedTuple):
    """Features [images, dimensions] and classes int64 [images]; -1 is a class that does not occur in train."""

    features: Tensor
    labels: Tensor


class LinearProbeResult(NamedTuple):
    """Top-1 accuracy in [0, 1] of the best classifier on validation; `test` is None without test."""

    learning_rate: float
    val: float
    test: float | None


def score_linear_probes(
    probes: LinearProbes,
    learning_rates: Sequence[float],
    val: LabelledFeatures,
    test: LabelledFeatures | None,
) -> LinearProbeResult:
    """Choose the learning rate on `val`, and score that classifier once on `test`.

    Among equally good learning rates, this chooses the smallest.
    """
    accuracies = (probes.predict(val.features) == val.labels[:, None]).double().mean(dim=0).tolist()
    best = min(range(len(accuracies)), key=lambda i: (-accuracies[i], learning_rates[i]))
    if test is None:
        return LinearProbeResult(learning_rates[best], accuracies[best], None)
    chosen = probes._replace(weight=probes.weight[:, best : best + 1], bias=probes.bias[best : best + 1])
    test_accuracy = float((chosen.predict(test.features)[:, 0] == test.labels).double().mean())
    return LinearProbeResult(learning_rates[best], accuracies[best], test_accuracy)


def write_probes(path: Path, probes: dict[str, LinearProbes]) -> None:
    """Write every network's classifiers as safetensors, `<network>.weight` and so on."""
    tensors = {
        f"{name}.{field}": value.contiguous().cpu()
        for name, network in probes.items()
        for field, value in network._asdict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(tensors))


def read_probes(path: Path) -> dict[str, LinearProbes]:
    """Read what `write_probes` wrote."""
    tensors = load_file(path)
    names = dict.fromkeys(key.rpartition(".")[0] for key in tensors)
    return {
        name: LinearProbes(**{field: tensors[f"{name}.{field}"] for field in LinearProbes._fields})
        for name in names
    }
