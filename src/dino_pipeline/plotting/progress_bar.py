"""The live bar of a training, read from the rows it writes."""

from pathlib import Path
from types import TracebackType
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from dino_pipeline.dino.training.history import HISTORY, TIMING, HistoryReader


class ProgressDisplay:
    """A bar of steps with epoch, loss, k-NN, images/s and the time left; also hands on the new rows."""

    def __init__(self, folder: Path, *, num_steps: int) -> None:
        self._readers = [HistoryReader(folder / HISTORY), HistoryReader(folder / TIMING)]
        self._num_steps = num_steps
        self._shown: dict[str, str] = {}

    def __enter__(self) -> Self:
        # disable=None: no bar where nobody watches (a log file, CI)
        self._bar = tqdm(
            total=self._num_steps, desc="pretrain", unit="step", disable=None, dynamic_ncols=True
        )
        self._redirect = logging_redirect_tqdm()
        self._redirect.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._redirect.__exit__(kind, error, traceback)
        self._bar.close()

    def update(self) -> list[dict[str, float]]:
        """Read what is new, show it, and return the rows of history and timing, oldest first."""
        rows = [row for reader in self._readers for row in reader.new_rows()]
        for row in rows:
            self._show(row)
        return sorted(rows, key=lambda row: row["step"])

    def _show(self, row: dict[str, float]) -> None:
        forms = {
            "epoch": "{:.1f}",
            "loss": "{:.3f}",
            "knn_teacher": "{:.3f}",
            "images_per_second": "{:.0f}",
        }
        names = {"knn_teacher": "k-NN", "images_per_second": "images/s"}
        for key, form in forms.items():
            if key in row:
                self._shown[names.get(key, key)] = form.format(row[key])
        if "num_steps" in row:
            self._bar.total = int(row["num_steps"])  # a budget may have cut it
        self._bar.set_postfix(self._shown, refresh=False)
        self._bar.update(max(0, int(row["step"]) - self._bar.n))
