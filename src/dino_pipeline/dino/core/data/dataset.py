"""The order of images and their views, which depend only on seed, epoch and step.

Another image replaces one that cannot be read: the same one for any number of workers and processes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import READ_ERRORS, Manifest
from dino_pipeline.dino.core.data.multi_crop import Views, multi_crop, multi_crop_to_augment
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig

UNKNOWN_LABEL = -100  # a supervised loss ignores images with this label
_MAX_TRIES = 50


class Address(NamedTuple):
    """An image's position in the split, and the epoch."""

    epoch: int
    position: int


class MultiCropDataset(Dataset[Views]):
    """The views of the manifest's images per epoch, with photometric augmentation applied or left to the device."""

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
        place = int(self.manifest.places[address.position])
        return self.views(self.manifest.read_bytes(address.position), epoch=address.epoch, place=place)

    def views(self, data: bytes, *, epoch: int, place: int) -> Views:
        """Decode an image and make the views that the image at `place` of its split has in an epoch.

        Raises:
            UnreadableImageError: the image cannot be decoded.
        """
        image = decode_image(data, self.images)
        return self.make_views(image, self.config, seed=self.seed, epoch=epoch, place=place)


class ShuffledBatches(Sampler[list[Address]]):
    """This process's part of every batch, from a step to the end of the run.

    Every epoch is a new permutation, cut into whole batches; the remainder is left out. A batch is the same set of
    images for any number of processes, and each process takes one contiguous part.
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


class Unreadable(NamedTuple):
    """An image of the manifest that cannot be read, and the reason."""

    row: int
    path: str
    reason: str


class Sample(NamedTuple):
    """Views, their image's label, and the images that could not be read."""

    views: Views
    label: int | None  # None without labels; UNKNOWN_LABEL for a replacement image
    unreadable: list[Unreadable]


class ReplacingDataset(Dataset[Sample]):
    """The views of an image, or of a replacement drawn by (seed, epoch, image) if the image cannot be read.

    Reading checks the hash of every image, so that a changed file of the same size counts as unreadable.
    """

    def __init__(self, dataset: MultiCropDataset, labels: NDArray[np.int64] | None = None) -> None:
        """Wrap a dataset.

        Args:
            labels: int64 [images], for a loss that needs them.
        """
        self.dataset = dataset
        self.labels = labels

    def __getitem__(self, address: Address) -> Sample:
        """Views of the image, or of the first readable replacement.

        Raises:
            ValueError: neither the image nor any drawn replacement can be read.
        """
        manifest = self.dataset.manifest
        place = int(manifest.places[address.position])
        draws = generator_at(self.dataset.seed, Domain.REPLACEMENT, address.epoch, place)
        position = address.position
        unreadable: list[Unreadable] = []
        for _ in range(_MAX_TRIES):
            try:
                # Views depend on the place, not on the image: a replacement may occur twice in the epoch.
                data = manifest.read_verified(position)
                views = self.dataset.views(data, epoch=address.epoch, place=place)
                return Sample(views, self._label(address.position, is_replaced=bool(unreadable)), unreadable)
            except READ_ERRORS as error:
                reason = " ".join(str(error).split())
                unreadable.append(
                    Unreadable(int(manifest.row_ids[position]), manifest.name(position), reason)
                )
            position = int(draws.integers(len(manifest)))
        raise ValueError(
            f"{unreadable[0].path} cannot be read, and neither can {_MAX_TRIES - 1} images drawn in its place: "
            f"{unreadable[0].reason}"
        )

    def _label(self, position: int, *, is_replaced: bool) -> int | None:
        if self.labels is None:
            return None
        return UNKNOWN_LABEL if is_replaced else int(self.labels[position])
