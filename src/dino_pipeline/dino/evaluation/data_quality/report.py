"""A data set's quality as a model sees it: figures of each network, and the teacher's cleaning list."""

from collections.abc import Mapping
from pathlib import Path

import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.data_quality.balance import cluster_balance
from dino_pipeline.dino.evaluation.data_quality.cleaning_list import Cleaning, cleaning_list
from dino_pipeline.dino.evaluation.data_quality.config import DataQualityConfig
from dino_pipeline.dino.evaluation.data_quality.directions import centered_directions
from dino_pipeline.dino.evaluation.data_quality.figures import SPLITS, figures, sample
from dino_pipeline.dino.evaluation.data_quality.view_pairs import view_pair_features
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.networks import load_networks
from dino_pipeline.dino.metrics.kmeans import kmeans
from dino_pipeline.dino.weights.published import read_model


def network_figures(
    features: Mapping[str, Features],
    manifest: Manifest,
    model: Path,
    extract: ExtractConfig,
    config: DataQualityConfig,
    *,
    device: torch.device,
) -> dict[str, dict[str, Mapping[str, float]]]:
    """`{split: {network: {figure: value}}}` for train and validation where they have two images or more.

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
    """The cleaning list, and in its summary how evenly the images spread over clusters.

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
