"""From images to features: one pass over the images serves every network and baseline."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.features.evaluation_transform import evaluation_loader, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig


class FeatureBatch(NamedTuple):
    """Features of a batch, float32 [images, dimensions] each; `linear` None where the embedding serves."""

    embedding: Tensor
    linear: Tensor | None


# From crops [images, channels, crop, crop] of uint8 or uint16 on the device.
FeatureFunction = Callable[[Tensor], FeatureBatch]


def backbone_features(
    backbone: Backbone, transform: EvaluationTransformConfig, config: ExtractConfig, *, device: torch.device
) -> FeatureFunction:
    """The backbone's [CLS] or pooled feature, and the linear protocol's, from one forward pass.

    The backbone is moved to the device and put into evaluation mode.
    """
    backbone = backbone.to(device).eval()
    bfloat16 = config.precision == "bf16"
    if isinstance(backbone, ViTBackbone) and bfloat16 and device.type == "cpu":
        backbone.use_matmul_attention()
    num_blocks = config.num_last_blocks if backbone.is_vit else 1
    average_patches = config.average_patches and backbone.is_vit
    dim = backbone.num_features

    def features(images: Tensor) -> FeatureBatch:
        pixels = normalise(images, transform.mean, transform.std)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            joined = backbone.last_blocks(pixels, num_blocks=num_blocks, average_patches=average_patches)
        joined = joined.float()
        # The last block's [CLS] follows those of the blocks before it.
        embedding = joined[:, (num_blocks - 1) * dim : num_blocks * dim]
        return FeatureBatch(embedding, joined if joined.shape[1] > dim else None)

    return features


@torch.inference_mode()
def extract_features(
    manifest: Manifest,
    functions: Mapping[str, FeatureFunction],
    transform: EvaluationTransformConfig,
    config: ExtractConfig,
    *,
    device: torch.device,
) -> dict[str, Features]:
    """Features of every image of the manifest under each function's name, in the manifest's order."""
    loader = evaluation_loader(
        manifest, transform, batch_size=config.batch_size, num_workers=config.num_workers
    )
    # Filled in place: lists of batches, joined at the end, would need twice the memory.
    embeddings: dict[str, np.ndarray] = {}
    linear: dict[str, np.ndarray] = {}
    start = 0
    # `disable=None`: no bar where nobody watches, as in a log file.
    with tqdm(total=len(manifest), desc="extract", unit=" images", disable=None, leave=False) as progress:
        for images in loader:
            images = images.to(device, non_blocking=True)
            stop = start + len(images)
            for name, function in functions.items():
                batch = function(images)
                _store(embeddings, name, batch.embedding, start, stop, len(manifest))
                if batch.linear is not None:
                    _store(linear, name, batch.linear, start, stop, len(manifest))
            start = stop
            progress.update(len(images))
    splits = np.array(manifest.table["split"].to_pylist(), dtype=np.str_)
    labels = np.array(manifest.labels, dtype=np.object_)
    return {
        name: Features(manifest.row_ids, splits, labels, embeddings[name], linear.get(name))
        for name in functions
    }


def _store(
    stored: dict[str, np.ndarray], name: str, batch: Tensor, start: int, stop: int, num_images: int
) -> None:
    if name not in stored:
        stored[name] = np.empty((num_images, batch.shape[1]), dtype=np.float32)
    stored[name][start:stop] = batch.cpu().numpy()
