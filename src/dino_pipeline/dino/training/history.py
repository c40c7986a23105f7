"""The files of a training's metrics: history.csv is equal for equal trainings, timing.csv is not."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from dino_pipeline.dino.partial import written_whole

HISTORY = "history.csv"
TIMING = "timing.csv"
PREDICTION = "prediction.json"  # what the training was predicted to take
CURRENT_STEP = "current_step"  # the number of steps taken, for the display: rows may be minutes apart

HISTORY_COLUMNS = [
    "step",
    "epoch",
    "images_seen",
    "loss",
    "teacher_entropy",
    "kl",
    "gradient_norm",
    "skipped_steps",  # so far
    "unreadable_images",  # so far
    "learning_rate",
    "weight_decay",
    "teacher_momentum",
    "teacher_temperature",
    # at the end of an epoch
    "knn_teacher",
    "knn_student",
    "feature_std_teacher",
    "feature_std_student",
    "effective_rank_teacher",
    "effective_rank_student",
]
TIMING_COLUMNS = ["step", "num_steps", "seconds", "images_per_second", "data_wait_share", "memory_mb"]

Rows = Sequence[Mapping[str, float]]  # values by column, without the missing ones


class RowFile:
    """A CSV file to which rows are appended; missing values stay blank."""

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path = path
        self.columns = columns

    def cut_after(self, step: int) -> None:
        """Create the file, or drop the rows after `step`, the step from which training resumes."""
        rows = read_rows(self.path) if self.path.is_file() else []
        with written_whole(self.path) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row for row in rows if int(row["step"]) <= step)

    def append(self, row: Mapping[str, object]) -> None:
        """Add one row; readers can see it immediately."""
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The complete rows of a file, as text, without an unfinished last line."""
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(whole.splitlines()))


def numbers(row: dict[str, str]) -> dict[str, float]:
    """The values of a row that are present."""
    return {name: float(value) for name, value in row.items() if value}


class HistoryReader:
    """Reads the rows that another process appends to a file, each time from the byte where the last read ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: Sequence[str] | None = None  # from the first line
        self._offset = 0  # bytes read so far
        self._last_line = b""  # ends at the offset, unless the file was replaced
        self._last_step = -1.0

    def new_rows(self) -> list[dict[str, float]]:
        """The complete rows since the last call, without steps that an earlier call returned.

        A resumed training replaces the file by its first rows. In that case this reads from the beginning again.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return []
        with file:
            file.seek(self._offset - len(self._last_line))
            if file.read(len(self._last_line)) != self._last_line:
                self._columns, self._offset, self._last_line = None, 0, b""
                file.seek(0)
            lines = file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        if not lines:
            return []
        self._offset += sum(map(len, lines))
        self._last_line = lines[-1]
        table = csv.DictReader((line.decode() for line in lines), self._columns)
        rows = [numbers(row) for row in table]
        self._columns = table.fieldnames
        new = [row for row in rows if row["step"] > self._last_step]
        if new:
            self._last_step = new[-1]["step"]
        return new
