"""Views for the linear probe: in every epoch a random crop of each image, addressed like the training's views."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.dataset import Address
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import crop_and_resize, random_rectangle
from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig

_CACHE_BYTES = 2**29  # of decoded images in each process, over all its loader workers


class ProbeViews(Dataset[Tensor]):
    """A random resized crop of an image, with random flips: [channels, crop, crop], uint8 or uint16.

    Decoded images stay in memory for the next epochs until they fill `cache_bytes`. Each epoch needs every image once,
    so it does not matter which images stay.
    """

    def __init__(
        self,
        manifest: Manifest,
        transform: EvaluationTransformConfig,
        config: LinearProbeConfig,
        *,
        cache_bytes: int = 0,
    ) -> None:
        self.manifest = manifest
        self.transform = transform
        self.config = config
        self._cached: dict[int, DeepPixels] = {}
        self._free_bytes = cache_bytes

    def __getitem__(self, address: Address) -> Tensor:
        return self.__getitems__([address])[0]

    def __getitems__(self, addresses: Sequence[Address]) -> Tensor:
        """The views of a batch: [images, channels, crop, crop]."""
        views = np.stack([self._view(address) for address in addresses])
        return torch.from_numpy(views).permute(0, 3, 1, 2).contiguous()

    def _view(self, address: Address) -> DeepPixels:
        image = self._image(address.position)
        place = int(self.manifest.places[address.position])
        rng = generator_at(self.config.seed, Domain.PROBE_VIEW, address.epoch, place)
        rectangle = random_rectangle(rng, image.shape[0], image.shape[1], self.config.crop_scale)
        crop = crop_and_resize(image, rectangle, self.transform.crop)
        flipped: DeepPixels = crop[:, ::-1]
        return flipped if rng.random() < self.config.flip_probability else crop

    def _image(self, position: int) -> DeepPixels:
        if position in self._cached:
            return self._cached[position]
        image = decode_image(self.manifest.read_bytes(position), self.transform.images)
        if image.nbytes <= self._free_bytes:
            self._cached[position] = image
            self._free_bytes -= image.nbytes
        return image


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
    views = ProbeViews(manifest, transform, config, cache_bytes=_CACHE_BYTES // max(num_workers, 1))
    return DataLoader(
        views,
        batch_sampler=batches,
        collate_fn=_whole,
        num_workers=num_workers,
        pin_memory=torch.cuda.is_available(),
    )


def _whole(batch: Any) -> Any:
    """`ProbeViews` makes whole batches."""
    return batch
