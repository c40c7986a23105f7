"""Trains recipes with several seeds and measures each teacher by k-NN on the test split, once, after all choices.

    kedro run --env=fashion_mnist_minutes --pipeline=ingest
    python benchmarks/recipes_on_test.py fashion_mnist_minutes --output benchmarks/results/tuning.json \
        --recipes fashion_mnist_minutes fashion_mnist_minutes_tuned

The first argument names the recipe whose manifest serves all. A training that is finished is not made again.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation import compute, extraction
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.metrics.knn import knn_accuracy
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.dino.training.preparation import fill_folder, prepare
from dino_pipeline.dino.weights.published import evaluation_transform, load_backbone, read_model
from dino_pipeline.recipes.reading import recipe_parameters

PROJECT = Path(__file__).parents[1]
NUM_NEIGHBORS = 20

logger = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", help="the recipe whose images serve all")
    parser.add_argument("--recipes", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")

    file = PROJECT / "data" / "03_primary" / options.manifest / "manifest.parquet"
    images = read_manifest(file, PROJECT)
    measured: dict[str, dict[str, dict[str, float]]] = {}
    for seed in options.seeds:
        for recipe in options.recipes:
            measured.setdefault(recipe, {})[str(seed)] = accuracies(recipe, seed, images)
            options.output.write_text(json.dumps(measured, indent=2, sort_keys=True) + "\n")
            logger.info("%s, seed %d: %s", recipe, seed, measured[recipe][str(seed)])


def accuracies(recipe: str, seed: int, images: Manifest) -> dict[str, float]:
    """k-NN of the teacher on validation and test, the train images the bank."""
    parameters = recipe_parameters(recipe, {"pretrain": {"seed": seed}})
    spec = fill_folder(
        prepare(
            images,
            from_dict(PretrainConfig, parameters["pretrain"]),
            from_dict(MonitoringConfig, parameters["monitoring"]),
            from_dict(LaunchConfig, parameters["launch"]),
            recipe=recipe,
            project_folder=PROJECT,
            training_folder=PROJECT / "data" / "06_models" / ".in_progress",
        )
    )
    return measure(launch(spec, on_progress=lambda: None), images, parameters)


def measure(model: Path, images: Manifest, parameters: Mapping[str, Any]) -> dict[str, float]:
    """Accuracies of one model by split."""
    extract = from_dict(ExtractConfig, parameters["extract"])
    transform = evaluation_transform(read_model(model), resize=extract.resize, crop=extract.crop)
    device = compute.device()
    teacher = extraction.backbone_features(load_backbone(model), transform, extract, device=device)
    features = extraction.extract_features(images, {"teacher": teacher}, transform, extract, device=device)
    embedding = torch.from_numpy(features["teacher"].embedding)
    labels = torch.from_numpy(images.label_indices(images.class_names))
    split = {name: torch.from_numpy(features["teacher"].splits == name) for name in ("train", "val", "test")}
    return {
        name: knn_accuracy(
            embedding[split["train"]],
            labels[split["train"]],
            embedding[split[name]],
            labels[split[name]],
            num_neighbors=[NUM_NEIGHBORS],
            temperature=parameters["evaluate"]["knn"]["temperature"],
        )[NUM_NEIGHBORS].top1
        for name in ("val", "test")
    }


if __name__ == "__main__":
    main()
