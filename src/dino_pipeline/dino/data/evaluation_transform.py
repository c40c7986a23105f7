"""Images as evaluation sees them: resized, centre cropped, still uint8; normalised on the device."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from dino_pipeline.dino.data.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.data.images import decode_rgb
from dino_pipeline.dino.data.manifest import Manifest


def evaluation_crop(image: npt.NDArray[np.uint8], config: EvaluationTransformConfig) -> Tensor:
    """uint8 [H, W, 3] to uint8 [3, crop, crop], by torchvision's Resize(bicubic) and CenterCrop."""
    height, width = image.shape[:2]
    short = min(height, width)
    resized_height = int(config.resize * height / short)
    resized_width = int(config.resize * width / short)
    # A view of HWC memory is channels-last: torch's fast uint8 kernel, Pillow's filter in fixed point.
    # Pillow's arrays are read-only, which torch warns of.
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1).unsqueeze(0)
    if (resized_height, resized_width) != (height, width):
        pixels = F.interpolate(pixels, (resized_height, resized_width), mode="bicubic", antialias=True)
    top = round((resized_height - config.crop) / 2)
    left = round((resized_width - config.crop) / 2)
    return pixels[0, :, top : top + config.crop, left : left + config.crop].contiguous()


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 [N, 3, H, W] to float32 (pixel / 255 - mean) / std."""
    shape = (1, 3, 1, 1)
    center = torch.tensor(mean, dtype=torch.float32, device=images.device).view(shape)
    scale = torch.tensor(std, dtype=torch.float32, device=images.device).view(shape)
    return (images.float() / 255 - center) / scale


class EvaluationDataset(Dataset[Tensor]):
    """The evaluation crop of each image of a manifest, in its order."""

    def __init__(self, manifest: Manifest, config: EvaluationTransformConfig) -> None:
        self.manifest = manifest
        self.config = config

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> Tensor:
        return evaluation_crop(decode_rgb(self.manifest.read_bytes(index)), self.config)


def evaluation_loader(
    manifest: Manifest, config: EvaluationTransformConfig, *, batch_size: int, num_workers: int
) -> DataLoader[Tensor]:
    """Batches uint8 [up to batch_size, 3, crop, crop] in the manifest's order for any number of workers."""
    return DataLoader(
        EvaluationDataset(manifest, config),
        batch_size=batch_size,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
    )
