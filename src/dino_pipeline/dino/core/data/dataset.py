"""Views and the order they are shown in, which depend on nothing but seed, epoch and step."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset, Sampler

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.data.multi_crop import Views, multi_crop, multi_crop_to_augment
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig


class Address(NamedTuple):
    """Which image, in which epoch."""

    epoch: int
    position: int


class MultiCropDataset(Dataset[Views]):
    """The views of an image of the manifest in an epoch, with their photometric augmentation done or still to do."""

    def __init__(
        self,
        manifest: Manifest,
        images: ImagesConfig,
        config: MultiCropConfig,
        *,
        seed: int,
        augment_on_device: bool,
    ) -> None:
        self.manifest = manifest
        self.images = images
        self.config = config
        self.seed = seed
        self.make_views = multi_crop_to_augment if augment_on_device else multi_crop

    def __getitem__(self, address: Address) -> Views:
        row = int(self.manifest.row_ids[address.position])
        return self.views(self.manifest.read_bytes(address.position), epoch=address.epoch, row=row)

    def views(self, data: bytes, *, epoch: int, row: int) -> Views:
        """An encoded image, seen as that of `row` is in an epoch.

        Raises:
            UnreadableImageError: it cannot be decoded.
        """
        image = decode_image(data, self.images)
        return self.make_views(image, self.config, seed=self.seed, epoch=epoch, row=row)


class ShuffledBatches(Sampler[list[Address]]):
    """This process's part of every batch from a step to the end of the run.

    Every epoch is a new permutation cut into whole batches; the rest is left out. A batch is the same set of images
    for any number of processes, each of which takes one contiguous part of it.
    """

    def __init__(
        self, *, num_images: int, batch_size: int, part: range, seed: int, first_step: int, num_steps: int
    ) -> None:
        self.num_images = num_images
        self.batch_size = batch_size
        self.part = part
        self.seed = seed
        self.steps = range(first_step, num_steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[Address]]:
        steps_per_epoch = self.num_images // self.batch_size
        order, order_epoch = np.empty(0, np.int64), -1
        for step in self.steps:
            epoch, batch = divmod(step, steps_per_epoch)
            if epoch != order_epoch:
                order = generator_at(self.seed, Domain.ORDER, epoch).permutation(self.num_images)
                order_epoch = epoch
            first = batch * self.batch_size
            positions = order[first + self.part.start : first + self.part.stop]
            yield [Address(epoch, int(position)) for position in positions]
