"""The objectives of a trial: k-NN on validation, or RankMe and alpha-ReQ without labels; and its cost."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation import compute, extraction
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.dino.metrics.power_law import power_law_exponent
from dino_pipeline.dino.training.history import HISTORY, TIMING, numbers, read_rows
from dino_pipeline.dino.weights.published import evaluation_transform, load_backbone, read_model

# The objectives that each evaluation writes into the history.
COLUMNS = {"knn": "knn_teacher", "rankme": "effective_rank_teacher"}


def check_images(images: Manifest, objective: str) -> None:
    """Check before the first trial that the images allow the objective.

    Raises:
        ValueError: k-NN lacks labels or validation images.
    """
    labelled = images.split("train").is_labelled and images.split("val").is_labelled
    if objective == "knn" and not labelled:
        raise ValueError(
            "tune.objective is knn, which needs a label for every image of train and of validation: set it to "
            "rankme or alpha_req"
        )


def measures(
    folder: Path,
    finished: Path,
    train: Manifest,
    extract: ExtractConfig,
    *,
    num_processes: int,
    max_images: int,
    alpha_ranks: tuple[int, int],
) -> dict[str, float]:
    """Measure all objectives and costs of a finished trial, by name. Without labels, k-NN is left out.

    `alpha_req` is the distance of the exponent from 1, the value at which features transfer best.

    Args:
        folder: folder of the training, with its timing.
        finished: folder of its model.
        train: train images; RankMe and alpha-ReQ use evenly spaced ones.
    """
    last = numbers(read_rows(finished / HISTORY)[-1])
    found = {name: last[column] for name, column in COLUMNS.items() if column in last}
    exponent = _exponent(finished, train, extract, max_images=max_images, ranks=alpha_ranks)
    if exponent is not None:
        found |= {"alpha": exponent, "alpha_req": abs(exponent - 1)}
    seconds = sum(numbers(row)["seconds"] for row in read_rows(folder / TIMING))
    return {**found, "seconds": seconds * num_processes, "parameters": _num_parameters(finished)}


def chosen(found: Mapping[str, float], objective: str, cost: str | None) -> list[float]:
    """The values that the study receives.

    Raises:
        ValueError: no alpha can be fitted.
    """
    if objective not in found:
        raise ValueError(
            f"{objective} cannot be measured: the features fill too few dimensions for tune.alpha_ranks"
        )
    return [found[name] for name in (objective, cost) if name]


def _exponent(
    finished: Path, train: Manifest, extract: ExtractConfig, *, max_images: int, ranks: tuple[int, int]
) -> float | None:
    positions = evenly_spaced(len(train), max_images)
    device = compute.device()
    with compute.fixed_threads(extract.num_threads):
        transform = evaluation_transform(read_model(finished), resize=extract.resize, crop=extract.crop)
        teacher = extraction.backbone_features(
            load_backbone(finished, "teacher"), transform, extract, device=device
        )
        features = extraction.extract_features(
            train.take(positions), {"teacher": teacher}, transform, extract, device=device
        )
        embedding = torch.from_numpy(features["teacher"].embedding)
        return power_law_exponent(embedding, first_rank=ranks[0], last_rank=ranks[1])


def _num_parameters(finished: Path) -> int:
    """Parameters of the teacher's backbone, the network that users get."""
    with safe_open(finished / "teacher.safetensors", framework="numpy") as weights:
        return sum(
            int(np.prod(weights.get_slice(name).get_shape()))
            for name in weights.keys()  # noqa: SIM118  # not a mapping
            if name.startswith("backbone.")
        )
