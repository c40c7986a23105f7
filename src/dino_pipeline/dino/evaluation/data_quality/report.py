"""Data quality as seen by a model: figures of each network, and the teacher's cleaning list."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.data_quality.cleaning_list import (
    Cleaning,
    centered_directions,
    cleaning_list,
)
from dino_pipeline.dino.evaluation.data_quality.config import DataQualityConfig
from dino_pipeline.dino.evaluation.data_quality.figures import SPLITS, figures, sample, view_pair_features
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.networks import load_networks
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.metrics.kmeans import kmeans
from dino_pipeline.dino.weights.published import read_model


def cluster_balance(assignments: Tensor) -> dict[str, Any]:
    """Shares of the smallest and the largest cluster, and the entropy of the sizes relative to equal sizes.

    Args:
        assignments: int64 [images], clusters from 0.

    Returns:
        `num_clusters`, `smallest_share`, `largest_share`, `relative_entropy` (1: equal sizes, 0: one cluster holds
        all).
    """
    sizes = assignments.bincount()
    shares = sizes[sizes > 0].double() / len(assignments)
    uniform = torch.log(torch.tensor(float(len(shares)), dtype=torch.float64))
    entropy = torch.special.entr(shares).sum()
    return {
        "num_clusters": len(shares),
        "smallest_share": float(shares.min()),
        "largest_share": float(shares.max()),
        "relative_entropy": float(entropy / uniform) if len(shares) > 1 else 0.0,
    }


def network_figures(
    features: Mapping[str, Features],
    manifest: Manifest,
    model: Path,
    extract: ExtractConfig,
    config: DataQualityConfig,
    *,
    device: torch.device,
) -> dict[str, dict[str, Mapping[str, float]]]:
    """`{split: {network: {figure: value}}}` for train and validation, each if it has two images or more.

    Args:
        features: by the networks' names: teacher, student, random.
        model: the published model's folder; its multi-crop makes the views for alignment.
    """
    networks = load_networks(model, manifest.split("train"), extract, device=device)
    multi_crop = from_dict(MultiCropConfig, read_model(model).config["multi_crop"])
    report: dict[str, dict[str, Mapping[str, float]]] = {}
    for split in SPLITS:
        images = manifest.split(split)
        if len(images) < 2:
            continue
        chosen = images.take(sample(len(images), config.figures.alignment_images, seed=config.seed))
        views = view_pair_features(chosen, networks, multi_crop, extract, seed=config.seed, device=device)
        report[split] = {
            name: figures(of_all.split(split), views[name], config.figures, seed=config.seed, device=device)
            for name, of_all in features.items()
        }
    return report


def clean(
    teacher: Features, manifest: Manifest, config: DataQualityConfig, *, device: torch.device
) -> Cleaning:
    """Make the cleaning list; its summary also says how evenly the images spread over clusters.

    Raises:
        ValueError: there are fewer than two images.
    """
    directions = centered_directions(torch.from_numpy(teacher.embedding).to(device))
    table, summary = cleaning_list(
        manifest.take(teacher.row_ids), directions, config.near_duplicates, config.outliers
    )
    clusters = kmeans(
        directions,
        num_clusters=config.clusters.num_clusters,
        max_iterations=config.clusters.max_iterations,
        seed=config.seed,
    )
    return Cleaning(table, summary | {"cluster_balance": cluster_balance(clusters.assignments)})


_COLUMNS = ("rankme", "alpha_req", "uniformity", "alignment")


def table(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Format one row per network and split; `-` marks a missing figure.

    Args:
        figures: `{split: {network: {figure: value}}}`.
    """
    rows = [
        [f"{network} {split}", *(f"{values[name]:.3f}" if name in values else "-" for name in _COLUMNS)]
        for split, networks in figures.items()
        for network, values in networks.items()
    ]
    return aligned([["", *_COLUMNS], *rows])


def in_words(summary: Mapping[str, Any]) -> str:
    """Describe the findings of the cleaning list in one or two sentences."""
    duplicates = summary["near_duplicates"]
    dropped = summary["suggested_to_drop"]
    text = (
        f"{duplicates['images']:,} of {summary['num_images']:,} images are near-duplicates of another "
        f"({duplicates['clusters']:,} clusters, {duplicates['clusters_across_splits']:,} across splits, the largest of "
        f"{duplicates['largest_cluster']:,}); {summary['outliers']['images']:,} outliers listed; suggested to drop: "
        + ", ".join(f"{split} {count:,}" for split, count in dropped.items())
    )
    if duplicates["suggestion_withheld"]:
        text += (
            f". {duplicates['redundant_share']:.0%} of all images would be dropped as near-duplicates, more than "
            "data_quality.near_duplicates.max_dropped_share, so none is suggested: raise near_duplicates.cosine"
        )
    return text
