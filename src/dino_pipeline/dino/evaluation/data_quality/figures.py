"""Figures of features that need no label: none of them looks at test, so that they may guide choices."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dino_pipeline.dino.evaluation.data_quality.config import FiguresConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.metrics.alignment import alignment
from dino_pipeline.dino.metrics.feature_statistics import effective_rank
from dino_pipeline.dino.metrics.power_law import power_law_exponent
from dino_pipeline.dino.metrics.uniformity import uniformity

SPLITS = ("train", "val")


def sample(num_images: int, size: int, *, seed: int) -> NDArray[np.int64]:
    """Positions of `size` images, all where there are no more, in rising order."""
    if num_images <= size:
        return np.arange(num_images, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(num_images, size, replace=False))


def figures(
    features: Features,
    views: tuple[Tensor, Tensor],
    config: FiguresConfig,
    *,
    seed: int,
    device: torch.device,
) -> Mapping[str, float]:
    """RankMe, alpha-ReQ, uniformity and alignment of one network on one split.

    alpha-ReQ is left out where the features fill too few dimensions for its range.

    Args:
        features: of the split, two images or more.
        views: of two views of some of its images, [images, dimensions] each.
        seed: of uniformity's sample.
    """
    embedding = torch.from_numpy(features.embedding).to(device)
    first_rank, last_rank = config.alpha_ranks
    alpha = power_law_exponent(embedding, first_rank=first_rank, last_rank=last_rank)
    chosen = torch.from_numpy(sample(len(features), config.uniformity_images, seed=seed)).to(device)
    values = {
        "rankme": effective_rank(embedding),
        "alpha_req": alpha,
        "uniformity": uniformity(embedding[chosen]),
        "alignment": alignment(*views),
    }
    return {name: value for name, value in values.items() if value is not None}
