"""Multinomial logistic regression with an L2 penalty on the weights, for many draws and penalties at once.

Minimises C * sum of cross-entropies + |weight|^2 / 2 with an unpenalised bias, as scikit-learn's LogisticRegression for
three or more classes. Two changes speed up the search without moving the minimum: the bias absorbs the mean of the
features, and rotations preserve norms. So features are centered and rotated to their principal axes, which are at most
as many as images, and each axis is scaled by its own curvature.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.evaluation.low_shot.lbfgs import minimize

_MAX_ELEMENTS = 2**24  # of a chunk's logits, which bounds memory
_HESSIAN_BOUND = 0.5  # of softmax cross-entropy in its logits (Boehning 1992)


class LogisticRegressions(NamedTuple):
    """A classifier for each draw and penalty."""

    weight: Tensor  # [draws, penalties, dimensions, classes]
    bias: Tensor  # [draws, penalties, classes]
    has_converged: Tensor  # bool [draws, penalties]

    def only(self, draw: int, penalty: int) -> "LogisticRegressions":
        """A single classifier."""
        one = slice(draw, draw + 1), slice(penalty, penalty + 1)
        return LogisticRegressions(*(part[one] for part in self))

    def predict(self, features: Tensor) -> Tensor:
        """Class of each image [images, dimensions] by each classifier: [draws, penalties, images]."""
        features = features.to(self.weight.dtype)
        one_by_one = zip(self.weight.flatten(0, 1), self.bias.flatten(0, 1), strict=True)
        predicted = torch.stack([(features @ weight + bias).argmax(dim=-1) for weight, bias in one_by_one])
        return predicted.view(*self.bias.shape[:2], len(features))


def train_logistic_regressions(
    features: Tensor,
    labels: Tensor,
    *,
    inverse_penalties: Sequence[float],
    tolerance: float,
    max_iterations: int,
) -> LogisticRegressions:
    """Train in float64.

    Args:
        features: [draws, images, dimensions].
        labels: int64 [draws, images], classes 0, 1, ...; each class occurs in every draw.
        inverse_penalties: C.
        tolerance: of the largest entry of the gradient, in the scaled coordinates.
        max_iterations: of L-BFGS.
    """
    num_draws, num_images, _ = features.shape
    num_classes = int(labels.max()) + 1
    center = features.double().mean(dim=1, keepdim=True)
    centered = features.double() - center
    axes, variances = _principal_axes(centered)
    scores = centered @ axes
    size = scores.shape[-1]
    # A column of ones gives the bias.
    scores = torch.cat([scores, scores.new_ones(num_draws, num_images, 1)], dim=-1)
    variances = torch.cat([variances, variances.new_ones(num_draws, 1)], dim=-1)
    penalties = 1 / (num_images * scores.new_tensor(inverse_penalties))
    penalty = penalties[:, None].repeat(1, size + 1)
    penalty[:, -1] = 0
    # [draws, penalties, axes, 1]
    stretch = (_HESSIAN_BOUND * variances[:, None] + penalty).rsqrt()[..., None]

    def objective(x: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
        weight = x.unflatten(-1, (size + 1, num_classes)) * stretch[:, members]
        loss, gradient = _cross_entropy(scores, labels, weight)
        shrunk = penalty[members][..., None] * weight
        value = loss + 0.5 * (shrunk * weight).sum(dim=(-2, -1))
        return value, ((gradient + shrunk) * stretch[:, members]).flatten(-2)

    start = scores.new_zeros(num_draws, len(inverse_penalties), (size + 1) * num_classes)
    found = minimize(objective, start, tolerance=tolerance, max_iterations=max_iterations)
    weight = found.parameters.unflatten(-1, (size + 1, num_classes)) * stretch
    turned_back = axes[:, None] @ weight[..., :-1, :]
    bias = weight[..., -1, :] - (center[:, None] @ turned_back).squeeze(-2)
    return LogisticRegressions(turned_back, bias, found.has_converged)


def _principal_axes(centered: Tensor) -> tuple[Tensor, Tensor]:
    """Axes [draws, dimensions, up to images], computed on the smaller side, and the variance along each."""
    num_images, dim = centered.shape[1:]
    if dim <= num_images:
        squares, axes = torch.linalg.eigh(centered.mT @ centered)
        return axes, squares.clamp(min=0) / num_images
    squares, images = torch.linalg.eigh(centered @ centered.mT)
    # Axes without variance (at least one after centering) are set to 0, so that their weights stay 0.
    has_variance = squares > torch.finfo(squares.dtype).eps * num_images * squares.amax(dim=-1, keepdim=True)
    inverse = torch.where(has_variance, squares, 1.0).rsqrt() * has_variance
    return centered.mT @ images * inverse[:, None], torch.where(has_variance, squares, 0.0) / num_images


def _cross_entropy(scores: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss [draws, members] and its gradient with respect to `weight` [draws, members, axes, classes]."""
    num_draws, num_members, size, num_classes = weight.shape
    num_images = scores.shape[1]
    columns = weight.transpose(1, 2).reshape(num_draws, size, num_members * num_classes)
    loss = weight.new_zeros(num_draws, num_members)
    gradient = torch.zeros_like(columns)
    chunk = max(1, _MAX_ELEMENTS // (num_draws * num_members * num_classes))
    for first in range(0, num_images, chunk):
        part = scores[:, first : first + chunk]
        logits = (part @ columns).unflatten(-1, (num_members, num_classes))
        own = labels[:, first : first + chunk, None, None].expand(-1, -1, num_members, 1)
        log_sum = logits.logsumexp(dim=-1, keepdim=True)
        loss += (log_sum - logits.gather(-1, own)).sum(dim=(1, 3))
        error = logits.sub_(log_sum).exp_()
        error.scatter_add_(-1, own, error.new_tensor(-1.0).expand(own.shape))
        gradient += part.mT @ error.flatten(-2)
    gradient = gradient.unflatten(-1, (num_members, num_classes)).transpose(1, 2)
    return loss / num_images, gradient / num_images
