"""Descriptors of images from several networks in one pass. The caller chooses the descriptor."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import each_batch, in_precision
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.features.evaluation_transform import normalise

# From a backbone and normalised images [N, 3, H, W] to [N, dimensions].
Describe = Callable[[Backbone, Tensor], Tensor]


@torch.inference_mode()
def describe_images(
    images: Dataset[Tensor],
    num_images: int,
    networks: Networks,
    describe: Describe,
    config: ExtractConfig,
    *,
    batch_size: int,
    device: torch.device,
) -> dict[str, Tensor]:
    """Describe every image with every network: float32 [images, dimensions] on the CPU, by the network's name.

    Args:
        images: uint8 [3, H, W] each; all of one shape, unless `batch_size` is 1.
        num_images: number of images.
        config: precision and the number of loader processes.
    """
    loader = DataLoader(
        images,
        batch_size=batch_size,
        num_workers=config.num_workers,
        pin_memory=torch.cuda.is_available(),
    )
    mean, std = networks.transform.mean, networks.transform.std

    def described_by(backbone: Backbone) -> Callable[[Tensor], Tensor]:
        forward = in_precision(partial(describe, backbone), backbone, config, device=device)
        return lambda pixels: forward(normalise(pixels, mean, std))

    functions = {name: described_by(backbone) for name, backbone in networks.backbones.items()}
    stored: dict[str, Tensor] = {}
    batches = each_batch(loader, functions, num_images=num_images, title="describe", device=device)
    for name, rows, descriptors in batches:
        if name not in stored:
            stored[name] = torch.empty(num_images, descriptors.shape[1])
        stored[name][rows] = descriptors.cpu()
    return stored
