"""Features of two views of each image, as training makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dino_pipeline.dino.core.data.dataset import Address, MultiCropDataset
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import Views
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import backbone_features
from dino_pipeline.dino.evaluation.networks import Networks


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
    """By each network, features [images, dimensions] of the first and of the second global crop of every image.

    Args:
        multi_crop: the model's; its local crops are left out, since their scale differs by design.
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
