"""Prepare images for evaluation: resize and centre crop as integers, then normalise on the device."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.manifest import READ_ERRORS, Manifest
from dino_pipeline.dino.core.data.resampling import resample
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig

_LONGEST = 32  # shorter sides


def _middle(image: DeepPixels, longest: int) -> DeepPixels:
    """Cut both sides about the centre to `longest` px, or one more where that keeps the centre."""
    cuts = [max(0, (side - longest) // 2) for side in image.shape[:2]]
    if not any(cuts):
        return image
    rows, columns = (slice(cut, side - cut) for cut, side in zip(cuts, image.shape[:2], strict=True))
    return image[rows, columns]


def evaluation_crop(image: DeepPixels, config: EvaluationTransformConfig) -> Tensor:
    """Resize (bicubic) and centre-crop as torchvision: [H, W, channels] to [channels, crop, crop], same dtype.

    Of an image more than 32 times as long as it is wide only the middle is resized: the crop shows no other part, and
    the whole would fill the memory.
    """
    short = min(image.shape[:2])
    image = _middle(image, _LONGEST * short)
    height, width = image.shape[:2]
    resized_height = int(config.resize * height / short)
    resized_width = int(config.resize * width / short)
    # A permuted view of HWC memory is channels last: torch then uses its fast uint8 kernel, equal to Pillow's filter.
    # Copy read-only arrays (Pillow's are), because torch warns about them.
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1).unsqueeze(0)
    if (resized_height, resized_width) != (height, width):
        pixels = resample(pixels, (resized_height, resized_width))
    top = round((resized_height - config.crop) / 2)
    left = round((resized_width - config.crop) / 2)
    return pixels[0, :, top : top + config.crop, left : left + config.crop].contiguous()


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 or uint16 [N, channels, H, W] to float32 (pixel / white - mean) / std."""
    shape = (1, len(mean), 1, 1)
    center = torch.tensor(mean, dtype=torch.float32, device=images.device).view(shape)
    scale = torch.tensor(std, dtype=torch.float32, device=images.device).view(shape)
    # In place, because new memory for each step takes longer than the arithmetic.
    return images.float().div_(torch.iinfo(images.dtype).max).sub_(center).div_(scale)


class EvaluationDataset(Dataset[Tensor]):
    """The evaluation crop of each image of a manifest, in order."""

    def __init__(self, manifest: Manifest, config: EvaluationTransformConfig) -> None:
        self.manifest = manifest
        self.config = config

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> Tensor:
        return evaluation_crop(decode_image(self.manifest.read_bytes(index), self.config.images), self.config)


class ReadableDataset(Dataset[tuple[Tensor, bool]]):
    """Evaluation crops with a flag: whether the image could be read. An unreadable image gives a black crop."""

    def __init__(self, dataset: EvaluationDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, bool]:
        try:
            return self.dataset[index], True
        except READ_ERRORS:
            config = self.dataset.config
            dtype = torch.uint8 if config.images.bits == 8 else torch.uint16
            return torch.zeros(config.images.channels, config.crop, config.crop, dtype=dtype), False


def evaluation_loader(
    manifest: Manifest, config: EvaluationTransformConfig, *, batch_size: int, num_workers: int
) -> DataLoader[Tensor]:
    """Batches [up to batch_size, channels, crop, crop] in the manifest's order, for any number of workers."""
    return _loader(EvaluationDataset(manifest, config), batch_size, num_workers)


def readable_loader(
    manifest: Manifest, config: EvaluationTransformConfig, *, batch_size: int, num_workers: int
) -> DataLoader[tuple[Tensor, bool]]:
    """The same batches with a bool [images]: false marks unreadable images, whose crops are black."""
    return _loader(ReadableDataset(EvaluationDataset(manifest, config)), batch_size, num_workers)


def _loader(dataset: Dataset[Any], batch_size: int, num_workers: int) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
    )
