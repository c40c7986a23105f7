"""Label-free figures of features. They never use test, so that they may guide choices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from dino_pipeline.dino.core.data.dataset import Address, MultiCropDataset
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import Views
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.data_quality.config import FiguresConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.metrics.feature_statistics import effective_rank
from dino_pipeline.dino.metrics.power_law import power_law_exponent


@torch.inference_mode()
def view_pair_features(
    images: Manifest,
    networks: Networks,
    multi_crop: MultiCropConfig,
    config: ExtractConfig,
    *,
    seed: int,
    device: torch.device,
) -> Mapping[str, tuple[Tensor, Tensor]]:
    """Features [images, dimensions] of the first and the second global crop of every image, by network.

    Args:
        multi_crop: the model's; local crops are left out, because their scale differs by design.
        seed: of the views.
    """
    functions = {
        name: backbone_features(backbone, networks.transform, config, device=device)
        for name, backbone in networks.backbones.items()
    }
    dataset = MultiCropDataset(
        images,
        networks.transform.images,
        replace(multi_crop, num_local_crops=0),
        seed=seed,
        augment_on_device=False,
    )
    loader = DataLoader(
        dataset,
        batch_size=config.batch_size,
        sampler=[Address(0, position) for position in range(len(images))],
        num_workers=config.num_workers,
        collate_fn=_global_crops,
    )
    features: dict[str, list[Tensor]] = {name: [] for name in functions}
    for crops in loader:
        pixels = crops.to(device).flatten(0, 1)
        for name, function in functions.items():
            features[name].append(function(pixels).embedding.unflatten(0, (2, -1)))
    joined = {name: torch.cat(parts, dim=1) for name, parts in features.items()}
    return {name: (views[0], views[1]) for name, views in joined.items()}


def _global_crops(samples: Sequence[Views]) -> Tensor:
    """[2, images, channels, side, side]."""
    crops = torch.from_numpy(np.stack([sample.global_crops for sample in samples], axis=1))
    return crops.permute(0, 1, 4, 2, 3).contiguous()


SPLITS = ("train", "val")


def sample(num_images: int, size: int, *, seed: int) -> NDArray[np.int64]:
    """Ascending positions of `size` random images; all positions if there are no more images."""
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

    alpha-ReQ is left out if the features fill too few dimensions for its range.

    Args:
        features: of the split, two images or more.
        views: features of two views of some of its images, [images, dimensions] each.
        seed: for uniformity's sample.
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


def uniformity(features: Tensor, *, temperature: float = 2.0, chunk: int = 1024) -> float:
    """Log of the mean of exp(-t |x - y|^2) over all pairs of different images, L2-normalised.

    The result is between 0 (all share one direction) and about -2t in many dimensions (t is 2 in the paper).

    Args:
        features: [images, dimensions].
        temperature: the paper's t.
        chunk: rows compared with all others at a time, which bounds memory.

    Raises:
        ValueError: fewer than two images.
    """
    if len(features) < 2:
        raise ValueError(f"uniformity needs two images or more, got {len(features)}")
    directions = F.normalize(features, dim=1)
    total = 0.0
    for start in range(0, len(directions), chunk):
        cosines = directions[start : start + chunk] @ directions[start:].T
        # For unit vectors, |x - y|^2 = 2 - 2 cos. Above the diagonal, each pair occurs once.
        terms = torch.exp(2 * temperature * (cosines - 1)).triu(diagonal=1)
        total += float(terms.sum(dtype=torch.float64))
    num_pairs = len(features) * (len(features) - 1) / 2
    return float(torch.log(torch.tensor(total / num_pairs, dtype=torch.float64)))


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean of |x - y|^2 (the paper's alpha = 2) over pairs of views, L2-normalised.

    0 if the views of each image agree, 2 if they are orthogonal on average.

    Args:
        first, second: [images, dimensions] of two views, in the same order.

    Raises:
        ValueError: the numbers of views differ, or there are none.
    """
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(f"alignment needs pairs of views, got {len(first)} and {len(second)}")
    difference = F.normalize(first, dim=1) - F.normalize(second, dim=1)
    return float(difference.double().square().sum(dim=1).mean())
