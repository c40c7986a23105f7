"""Extract features: one pass over the images serves every network and baseline."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.features.evaluation_transform import evaluation_loader, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.progress import Progress

T = TypeVar("T")


class FeatureBatch(NamedTuple):
    """Features of a batch, float32 [images, dimensions] each. `linear` is None if it equals the embedding."""

    embedding: Tensor
    linear: Tensor | None


# From crops [images, channels, crop, crop] of uint8 or uint16 on the device.
FeatureFunction = Callable[[Tensor], FeatureBatch]


def backbone_features(
    backbone: Backbone, transform: EvaluationTransformConfig, config: ExtractConfig, *, device: torch.device
) -> FeatureFunction:
    """The backbone's [CLS] or pooled feature, and the linear protocol's feature, from one forward pass.

    This moves the backbone to the device and switches it to evaluation mode.
    """
    backbone = backbone.to(device).eval()
    num_blocks = config.num_last_blocks if backbone.is_vit else 1
    average_patches = config.average_patches and backbone.is_vit
    dim = backbone.num_features
    last_blocks = in_precision(
        partial(backbone.last_blocks, num_blocks=num_blocks, average_patches=average_patches),
        backbone,
        config,
        device=device,
    )

    def features(images: Tensor) -> FeatureBatch:
        joined = last_blocks(normalise(images, transform.mean, transform.std))
        # The last block's [CLS] comes after those of the earlier blocks.
        embedding = joined[:, (num_blocks - 1) * dim : num_blocks * dim]
        return FeatureBatch(embedding, joined if joined.shape[1] > dim else None)

    return features


def in_precision(
    forward: Callable[[Tensor], Tensor], backbone: Backbone, config: ExtractConfig, *, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """Wrap a function of a backbone to compute in the configured precision and return float32."""
    bfloat16 = config.precision == "bf16"
    if isinstance(backbone, ViTBackbone) and bfloat16 and device.type == "cpu":
        backbone.use_matmul_attention()

    def forward_in_precision(pixels: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            found = forward(pixels)
        return found.float()

    return forward_in_precision


def each_batch(
    loader: Iterable[Tensor],
    functions: Mapping[str, Callable[[Tensor], T]],
    *,
    num_images: int,
    title: str,
    device: torch.device,
) -> Iterator[tuple[str, slice, T]]:
    """Apply all functions in one pass over images: yield a function's name, the rows of a batch, and the result.

    Args:
        loader: batches of images.
        num_images: number of images, to show the progress.
        title: what is done, to show the progress.
    """
    start = 0
    with Progress(title, total=num_images, unit="images") as progress:
        for images in loader:
            images = images.to(device, non_blocking=True)
            rows = slice(start, start + len(images))
            for name, function in functions.items():
                yield name, rows, function(images)
            start = rows.stop
            progress.update(len(images))


@torch.inference_mode()
def extract_features(
    manifest: Manifest,
    functions: Mapping[str, FeatureFunction],
    transform: EvaluationTransformConfig,
    config: ExtractConfig,
    *,
    device: torch.device,
) -> dict[str, Features]:
    """Features of every image of the manifest, by each function's name, in the manifest's order."""
    loader = evaluation_loader(
        manifest, transform, batch_size=config.batch_size, num_workers=config.num_workers
    )
    # Filled in place, because joining lists of batches at the end would need twice the memory.
    embeddings: dict[str, np.ndarray] = {}
    linear: dict[str, np.ndarray] = {}
    num_images = len(manifest)
    batches = each_batch(loader, functions, num_images=num_images, title="extract", device=device)
    for name, rows, batch in batches:
        _store(embeddings, name, batch.embedding, rows, num_images)
        if batch.linear is not None:
            _store(linear, name, batch.linear, rows, num_images)
    splits = np.array(manifest.table["split"].to_pylist(), dtype=np.str_)
    labels = np.array(manifest.labels, dtype=np.object_)
    return {
        name: Features(manifest.row_ids, splits, labels, embeddings[name], linear.get(name))
        for name in functions
    }


def _store(stored: dict[str, np.ndarray], name: str, batch: Tensor, rows: slice, num_images: int) -> None:
    if name not in stored:
        stored[name] = np.empty((num_images, batch.shape[1]), dtype=np.float32)
    stored[name][rows] = batch.cpu().numpy()
