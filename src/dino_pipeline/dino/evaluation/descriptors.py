"""Descriptors of images by several networks in one pass: what is computed of an image is the caller's choice."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.features.evaluation_transform import normalise

# A backbone and normalised images [N, 3, H, W] to [N, dimensions].
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
    """Descriptors of every image by every network: float32 [images, dimensions] on the CPU, by the network's name.

    Args:
        images: uint8 [3, H, W] each; of one shape, unless `batch_size` is 1.
        num_images: how many they are.
        config: precision and the number of loader processes.
    """
    functions = _functions(networks.backbones, describe, config, device)
    loader = DataLoader(
        images,
        batch_size=batch_size,
        num_workers=config.num_workers,
        pin_memory=torch.cuda.is_available(),
    )
    stored: dict[str, Tensor] = {}
    start = 0
    with tqdm(total=num_images, desc="describe", unit=" images", disable=None, leave=False) as progress:
        for batch in loader:
            pixels = normalise(
                batch.to(device, non_blocking=True), networks.transform.mean, networks.transform.std
            )
            for name, function in functions.items():
                descriptors = function(pixels)
                if name not in stored:
                    stored[name] = torch.empty(num_images, descriptors.shape[1])
                stored[name][start : start + len(batch)] = descriptors.cpu()
            start += len(batch)
            progress.update(len(batch))
    return stored


def _functions(
    backbones: Mapping[str, Backbone], describe: Describe, config: ExtractConfig, device: torch.device
) -> dict[str, Callable[[Tensor], Tensor]]:
    bfloat16 = config.precision == "bf16"

    def function(backbone: Backbone) -> Callable[[Tensor], Tensor]:
        if isinstance(backbone, ViTBackbone) and bfloat16 and device.type == "cpu":
            backbone.use_matmul_attention()

        def describe_batch(pixels: Tensor) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                return describe(backbone, pixels).float()

        return describe_batch

    return {name: function(backbone) for name, backbone in backbones.items()}
