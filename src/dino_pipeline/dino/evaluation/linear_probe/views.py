"""Views for the linear probe: in every epoch a random crop of each image, addressed like the training's views."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.dataset import Address
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import crop_and_resize, random_rectangle
from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig


class ProbeViews(Dataset[Tensor]):
    """A random resized crop of an image, with random flips: [channels, crop, crop], uint8 or uint16."""

    def __init__(
        self, manifest: Manifest, transform: EvaluationTransformConfig, config: LinearProbeConfig
    ) -> None:
        self.manifest = manifest
        self.transform = transform
        self.config = config

    def __getitem__(self, address: Address) -> Tensor:
        image = decode_image(self.manifest.read_bytes(address.position), self.transform.images)
        place = int(self.manifest.places[address.position])
        rng = generator_at(self.config.seed, Domain.PROBE_VIEW, address.epoch, place)
        rectangle = random_rectangle(rng, image.shape[0], image.shape[1], self.config.crop_scale)
        crop = torch.from_numpy(crop_and_resize(image, rectangle, self.transform.crop)).permute(2, 0, 1)
        return crop.flip(-1) if rng.random() < self.config.flip_probability else crop.contiguous()


class ProbeBatches(Sampler[list[Address]]):
    """This process's share of each batch. Every epoch has a new order, in batches of almost equal size.

    Equal sizes prevent a last batch with fewer images than processes.
    """

    def __init__(self, num_images: int, config: LinearProbeConfig) -> None:
        self.num_images = num_images
        self.config = config

    def whole(self) -> Iterator[tuple[int, Tensor]]:
        """Epoch and image positions of each batch, over all processes."""
        num_batches = -(-self.num_images // self.config.batch_size)
        for epoch in range(self.config.epochs):
            order = generator_at(self.config.seed, Domain.PROBE_ORDER, epoch).permutation(self.num_images)
            for positions in np.array_split(order, num_batches):
                yield epoch, torch.from_numpy(positions)

    def __iter__(self) -> Iterator[list[Address]]:
        for epoch, positions in self.whole():
            yield [Address(epoch, position) for position in positions[rank() :: world_size()].tolist()]


def view_loader(
    manifest: Manifest,
    batches: ProbeBatches,
    transform: EvaluationTransformConfig,
    config: LinearProbeConfig,
    *,
    num_workers: int,
) -> "DataLoader[Tensor]":
    """Batches [this process's share, channels, crop, crop], in one pass over all epochs."""
    return DataLoader(
        ProbeViews(manifest, transform, config),
        batch_sampler=batches,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
    )
