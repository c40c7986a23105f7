"""Images that could not be read while training: listed once each, and too many of them end the training."""

import logging
from pathlib import Path

from dino_pipeline.dino.core.data.dataset import Unreadable
from dino_pipeline.dino.core.distributed import any_process, gather_lists, rank
from dino_pipeline.dino.training.history import RowFile

UNREADABLE = "unreadable.csv"
_COLUMNS = ["step", "row", "path", "reason"]

logger = logging.getLogger(__name__)


class UnreadableImages:
    """Counts them over all processes, and writes one row for each."""

    def __init__(self, folder: Path, *, num_images: int, max_fraction: float) -> None:
        self.path = folder / UNREADABLE
        self.num_images = num_images
        self.max_fraction = max_fraction
        self.known: set[int] = set()  # rows of the manifest, the same on every process
        self._file = RowFile(self.path, _COLUMNS)
        self._met: list[Unreadable] = []  # by this process, since it was last asked

    def start(self, step: int) -> None:
        """Begin, or take up, the file of a training that has come this far."""
        if rank() == 0:
            self._file.cut_after(step)

    def meet(self, images: list[Unreadable]) -> None:
        """Take in one batch's."""
        self._met += images

    def take_in(self, step: int) -> int:
        """Join what all processes met; every process must ask.

        Returns:
            How many images could not be read so far.

        Raises:
            ValueError: more than the configured share of all.
        """
        if not any_process(bool(self._met)):
            return len(self.known)
        new = {image.row: image for image in gather_lists(self._met) if image.row not in self.known}
        self._met = []
        self.known |= new.keys()
        if rank() == 0:
            for image in new.values():
                logger.warning("%s cannot be read, and others take its place: %s", image.path, image.reason)
                self._file.append({"step": step, **image._asdict()})
        if len(self.known) > self.max_fraction * self.num_images:
            raise ValueError(
                f"{len(self.known):,} of {self.num_images:,} training images could not be read, more than "
                f"monitoring.max_unreadable_fraction allows ({self.max_fraction:g}): put back the files that "
                f"{self.path} lists, or ingest again"
            )
        return len(self.known)
