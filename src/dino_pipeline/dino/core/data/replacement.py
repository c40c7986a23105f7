"""An image that cannot be read gives its place to another, the same one for any number of workers and processes."""

from typing import NamedTuple

from torch.utils.data import Dataset

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.manifest import READ_ERRORS
from dino_pipeline.dino.core.data.multi_crop import Views
from dino_pipeline.dino.core.data.multi_crop_dataset import Address, MultiCropDataset

_MAX_TRIES = 50


class Unreadable(NamedTuple):
    """An image of the manifest, and what is wrong with it."""

    row: int
    path: str
    reason: str


class Sample(NamedTuple):
    """Views, and the images that were to be shown but could not be read."""

    views: Views
    unreadable: list[Unreadable]


class ReplacingDataset(Dataset[Sample]):
    """The views of an image, or of one drawn in its place by (seed, epoch, image).

    Every image is hashed as it is read: one that was replaced by another of the same size is none of the data set.
    """

    def __init__(self, dataset: MultiCropDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, address: Address) -> Sample:
        """Views of the image, or of the first one that can be read of those drawn in its place.

        Raises:
            ValueError: nor could any of the images drawn in its place be read.
        """
        manifest = self.dataset.manifest
        row = int(manifest.row_ids[address.position])
        draws = generator_at(self.dataset.seed, Domain.REPLACEMENT, address.epoch, row)
        position = address.position
        unreadable: list[Unreadable] = []
        for _ in range(_MAX_TRIES):
            try:
                # Views are drawn by the place, not by the image: its replacement may be in the epoch a second time.
                data = manifest.read_verified(position)
                return Sample(self.dataset.views(data, epoch=address.epoch, row=row), unreadable)
            except READ_ERRORS as error:
                reason = " ".join(str(error).split())
                unreadable.append(
                    Unreadable(int(manifest.row_ids[position]), manifest.name(position), reason)
                )
            position = int(draws.integers(len(manifest)))
        raise ValueError(
            f"{unreadable[0].path} cannot be read, nor any of {_MAX_TRIES - 1} images drawn in its place: "
            f"{unreadable[0].reason}"
        )
