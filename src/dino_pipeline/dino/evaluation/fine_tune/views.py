"""Views of train images, drawn at the address (seed, epoch, image), and mixed with another image of the batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from timm.data import Mixup
from timm.data.mixup import mixup_target
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import crop_and_resize, random_rectangle
from dino_pipeline.dino.evaluation.fine_tune.config import MixConfig, TrainViewConfig


class ViewDataset(Dataset[tuple[Tensor, int]]):
    """The view [channels, size, size] of an image, in its own dtype, and its position; indexed by (epoch, position)."""

    def __init__(
        self, manifest: Manifest, images: ImagesConfig, config: TrainViewConfig, *, size: int, seed: int
    ) -> None:
        if config.rand_augment_operations and images != ImagesConfig(channels=3, bits=8):
            raise ValueError(
                f"fine_tune.view.rand_augment_operations is {config.rand_augment_operations}, but RandAugment "
                f"needs 8-bit RGB; these images have {images.channels} channels of {images.bits} bits: set it to "
                "0"
            )
        self.manifest = manifest
        self.images = images
        self.config = config
        self.size = size
        self.seed = seed

    def __getitem__(self, address: tuple[int, int]) -> tuple[Tensor, int]:
        epoch, position = address
        rng = generator_at(self.seed, Domain.FINE_TUNE_VIEW, epoch, int(self.manifest.places[position]))
        image = decode_image(self.manifest.read_bytes(position), self.images)
        return augmented(image, self.config, self.size, rng), position


def augmented(image: DeepPixels, config: TrainViewConfig, size: int, rng: np.random.Generator) -> Tensor:
    """Crop, resize and augment [H, W, channels] to [channels, size, size]."""
    rectangle = random_rectangle(rng, image.shape[0], image.shape[1], config.crop_scale)
    pixels = crop_and_resize(image, rectangle, size)
    if rng.random() < config.flip_probability:
        pixels = pixels[:, ::-1]
    view = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
    if config.rand_augment_operations:
        augment = v2.RandAugment(config.rand_augment_operations, config.rand_augment_magnitude)
        with torch.random.fork_rng(devices=[]):  # RandAugment draws from torch's own generator
            torch.manual_seed(int(rng.integers(2**63)))
            view = augment(view)
    return view


class _Batches:
    """Addresses of whole batches, in a new order for every epoch."""

    def __init__(self, *, num_images: int, batch_size: int, epochs: int, seed: int) -> None:
        self.num_images = num_images
        self.batch_size = batch_size
        self.epochs = epochs
        self.seed = seed

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for epoch in range(self.epochs):
            order = generator_at(self.seed, Domain.FINE_TUNE_ORDER, epoch).permutation(self.num_images)
            for first in range(0, self.num_images - self.batch_size + 1, self.batch_size):
                yield [(epoch, int(position)) for position in order[first : first + self.batch_size]]

    def __len__(self) -> int:
        return self.epochs * (self.num_images // self.batch_size)


def view_loader(
    dataset: ViewDataset, *, batch_size: int, epochs: int, num_workers: int
) -> DataLoader[tuple[Tensor, int]]:
    """All batches of all epochs: views [batch_size, 3, size, size] and positions [batch_size].

    An incomplete last batch of an epoch is left out.
    """
    batches = _Batches(
        num_images=len(dataset.manifest), batch_size=batch_size, epochs=epochs, seed=dataset.seed
    )
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # a loader draws from its generator, so it must not be the global one
    )


def mixed(
    images: Tensor, labels: Tensor, config: MixConfig, *, num_classes: int, seed: int, step: int
) -> tuple[Tensor, Tensor]:
    """timm's mixup and CutMix: images [N, 3, H, W], N even, changed in place, and soft labels [N, num_classes]."""
    if config.mixup_alpha == 0 and config.cutmix_alpha == 0:
        return images, mixup_target(labels, num_classes, smoothing=config.label_smoothing)
    mix = Mixup(
        mixup_alpha=config.mixup_alpha,
        cutmix_alpha=config.cutmix_alpha,
        prob=config.probability,
        switch_prob=config.switch_probability,
        label_smoothing=config.label_smoothing,
        num_classes=num_classes,
    )
    with _numpy_at(seed, step):
        mixed_images, targets = mix(images, labels)
    return mixed_images, targets


@contextmanager
def _numpy_at(seed: int, step: int) -> Iterator[None]:
    """Seed numpy's global generator, from which timm draws, with this address inside the block."""
    before = np.random.get_state()
    np.random.seed(int(generator_at(seed, Domain.FINE_TUNE_MIX, step).integers(2**32)))
    try:
        yield
    finally:
        np.random.set_state(before)
