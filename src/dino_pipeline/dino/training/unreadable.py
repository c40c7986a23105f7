"""Images that could not be read in training: each is listed once; too many are an error."""

import logging
from pathlib import Path

from dino_pipeline.dino.core.data.dataset import Unreadable
from dino_pipeline.dino.core.distributed import any_process, gather_lists, rank
from dino_pipeline.dino.training.history import RowFile

UNREADABLE = "unreadable.csv"
_COLUMNS = ["step", "row", "path", "reason"]

logger = logging.getLogger(__name__)


class UnreadableImages:
    """Counts unreadable images over all processes, and writes one row for each."""

    def __init__(self, folder: Path, *, num_images: int, max_fraction: float) -> None:
        self.path = folder / UNREADABLE
        self.num_images = num_images
        self.max_fraction = max_fraction
        self.known: set[int] = set()  # manifest rows, equal on every process
        self._file = RowFile(self.path, _COLUMNS)
        self._met: list[Unreadable] = []  # of this process, since the last `take_in`

    def start(self, step: int) -> None:
        """Create the file, or cut it after `step`."""
        if rank() == 0:
            self._file.cut_after(step)

    def meet(self, images: list[Unreadable]) -> None:
        """Add the unreadable images of one batch."""
        self._met += images

    def take_in(self, step: int) -> int:
        """Combine the unreadable images of all processes. Every process must call this.

        Returns:
            Number of unreadable images so far.

        Raises:
            ValueError: more than the configured share of all images.
        """
        if not any_process(bool(self._met)):
            return len(self.known)
        new = {image.row: image for image in gather_lists(self._met) if image.row not in self.known}
        self._met = []
        self.known |= new.keys()
        if rank() == 0:
            for image in new.values():
                logger.warning("%s cannot be read, so other images replace it: %s", image.path, image.reason)
                self._file.append({"step": step, **image._asdict()})
        if len(self.known) > self.max_fraction * self.num_images:
            raise ValueError(
                f"{len(self.known):,} of {self.num_images:,} training images could not be read, more than "
                f"monitoring.max_unreadable_fraction allows ({self.max_fraction:g}): restore the files listed in "
                f"{self.path}, or ingest again"
            )
        return len(self.known)
