"""Two networks asked about the same validation images."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import extract_features
from dino_pipeline.dino.metrics.bootstrap import Resampling
from dino_pipeline.dino.metrics.feature_statistics import effective_rank
from dino_pipeline.dino.metrics.knn import knn_rank_classes
from dino_pipeline.dino.metrics.paired_difference import paired_difference
from dino_pipeline.model_registry.promotion.config import PromoteConfig
from dino_pipeline.model_registry.promotion.entry import Comparison
from dino_pipeline.model_registry.promotion.served import Served


class Questions(NamedTuple):
    """The images that both are asked about, and those whose labels vote."""

    bank: Manifest
    queries: Manifest
    data_digest: str  # of the manifest that both are from

    @property
    def are_labelled(self) -> bool:
        """Whether k-NN can decide."""
        return self.bank.is_labelled and self.queries.is_labelled


class Embeddings(NamedTuple):
    """Of one network, float32 [images, dimensions]."""

    bank: Tensor
    queries: Tensor


def questions(manifest: Manifest, champion_data: Manifest | None) -> Questions:
    """The manifest's train and validation images, without validation images that the champion was trained on.

    Args:
        manifest: of the challenger's data.
        champion_data: what the champion was trained on, where that is known.

    Raises:
        ValueError: no validation image is left.
    """
    queries = manifest.split("val")
    if not len(queries):
        raise ValueError("the challenger's data have no validation images to compare on")
    if champion_data is not None:
        seen = set(champion_data.split("train").sha256)
        unseen = [position for position, sha256 in enumerate(queries.sha256) if sha256 not in seen]
        queries = queries.take(np.array(unseen, dtype=np.int64))
        if not unseen:
            raise ValueError("the champion was trained on every validation image of the challenger's data")
    return Questions(manifest.split("train"), queries, manifest.digest())


def compare(
    before: Served, after: Served, asked: Questions, config: PromoteConfig, extract: ExtractConfig
) -> Comparison:
    """By how much `after` is better than `before`: k-NN with its interval, or effective ranks without labels."""
    device = compute.device()
    with compute.fixed_threads(extract.num_threads):
        embeddings = [_embeddings(served, asked, extract, device) for served in (before, after)]
    values = _by_labels(embeddings, asked, config) if asked.are_labelled else _without_labels(embeddings)
    return from_dict(
        Comparison,
        {
            **values,
            "num_images": len(asked.queries),
            "data_digest": asked.data_digest,
            "validation_digest": asked.queries.digest(),
        },
    )


def _by_labels(embeddings: list[Embeddings], asked: Questions, config: PromoteConfig) -> dict[str, Any]:
    before, after = (_correct(one, asked, config) for one in embeddings)
    resampling = Resampling(config.confidence, config.num_resamples, config.seed)
    change = paired_difference(before, after, resampling, asked.queries.groups)
    return {
        "metric": f"knn_{config.num_neighbors}",
        "before": int(before.sum()) / len(before),
        "after": int(after.sum()) / len(after),
        "gain": change.difference,
        "interval": (change.low, change.high),
        "confidence": config.confidence,
    }


def _without_labels(embeddings: list[Embeddings]) -> dict[str, Any]:
    before, after = (effective_rank(one.queries) for one in embeddings)
    return {
        "metric": "effective_rank",
        "before": before,
        "after": after,
        "gain": after - before,
        "interval": None,
        "confidence": None,
    }


def _embeddings(served: Served, asked: Questions, extract: ExtractConfig, device: torch.device) -> Embeddings:
    bank, queries = (
        torch.from_numpy(
            extract_features(images, {"it": served.features}, served.transform, extract, device=device)[
                "it"
            ].embedding
        ).to(device)
        for images in (asked.bank, asked.queries)
    )
    return Embeddings(bank, queries)


def _correct(embeddings: Embeddings, asked: Questions, config: PromoteConfig) -> Tensor:
    """bool [queries], whether k-NN finds the class."""
    classes = asked.bank.class_names
    k = config.num_neighbors
    ranked = knn_rank_classes(
        embeddings.bank,
        torch.from_numpy(asked.bank.label_indices(classes)),
        embeddings.queries,
        num_neighbors=[k],
        temperature=config.temperature,
    )[k]
    return ranked[:, 0].cpu() == torch.from_numpy(asked.queries.label_indices(classes))
