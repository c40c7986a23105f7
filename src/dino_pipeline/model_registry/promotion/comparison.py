"""Compare two models on the same validation images."""

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
from dino_pipeline.model_registry.config import PromoteConfig
from dino_pipeline.model_registry.promotion.audit_record import Comparison
from dino_pipeline.model_registry.promotion.exported_model import ExportedModel


class ComparisonImages(NamedTuple):
    """The images of a comparison of two models, and the bank whose labels vote in k-NN."""

    bank: Manifest
    queries: Manifest
    data_digest: str  # of the manifest that bank and queries come from

    @property
    def are_labelled(self) -> bool:
        """Whether k-NN can be measured."""
        return self.bank.is_labelled and self.queries.is_labelled


class Embeddings(NamedTuple):
    """The embeddings of one model, float32 [images, dimensions]."""

    bank: Tensor
    queries: Tensor


def comparison_images(manifest: Manifest, champion_data: Manifest | None) -> ComparisonImages:
    """The train and validation images of a manifest, without validation images that the champion was trained on.

    Args:
        manifest: the manifest of the challenger's data.
        champion_data: the champion's training data, where known.

    Raises:
        ValueError: no validation image is left.
    """
    queries = manifest.split("val")
    if not len(queries):
        raise ValueError("the challenger's data has no validation images for the comparison")
    if champion_data is not None:
        seen = set(champion_data.split("train").sha256)
        unseen = [position for position, sha256 in enumerate(queries.sha256) if sha256 not in seen]
        queries = queries.take(np.array(unseen, dtype=np.int64))
        if not unseen:
            raise ValueError("the champion was trained on every validation image of the challenger's data")
    return ComparisonImages(manifest.split("train"), queries, manifest.digest())


def compare(
    before: ExportedModel,
    after: ExportedModel,
    images: ComparisonImages,
    config: PromoteConfig,
    extract: ExtractConfig,
) -> Comparison:
    """Measure how much better `after` is than `before`: by k-NN with an interval; without labels by effective rank."""
    device = compute.device()
    with compute.fixed_threads(extract.num_threads):
        embeddings = [_embeddings(model, images, extract, device) for model in (before, after)]
    values = _by_labels(embeddings, images, config) if images.are_labelled else _without_labels(embeddings)
    return from_dict(
        Comparison,
        {
            **values,
            "num_images": len(images.queries),
            "data_digest": images.data_digest,
            "validation_digest": images.queries.digest(),
        },
    )


def _by_labels(
    embeddings: list[Embeddings], images: ComparisonImages, config: PromoteConfig
) -> dict[str, Any]:
    before, after = (_correct(one, images, config) for one in embeddings)
    resampling = Resampling(config.confidence, config.num_resamples, config.seed)
    change = paired_difference(before, after, resampling, images.queries.groups)
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


def _embeddings(
    model: ExportedModel, images: ComparisonImages, extract: ExtractConfig, device: torch.device
) -> Embeddings:
    bank, queries = (
        torch.from_numpy(
            extract_features(part, {"model": model.features}, model.transform, extract, device=device)[
                "model"
            ].embedding
        ).to(device)
        for part in (images.bank, images.queries)
    )
    return Embeddings(bank, queries)


def _correct(embeddings: Embeddings, images: ComparisonImages, config: PromoteConfig) -> Tensor:
    """Whether k-NN predicts the class, bool [queries]."""
    classes = images.bank.class_names
    k = config.num_neighbors
    ranked = knn_rank_classes(
        embeddings.bank,
        torch.from_numpy(images.bank.label_indices(classes)),
        embeddings.queries,
        num_neighbors=[k],
        temperature=config.temperature,
    )[k]
    return ranked[:, 0].cpu() == torch.from_numpy(images.queries.label_indices(classes))
