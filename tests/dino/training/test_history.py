"""Rows on disk, read while they are written."""

from pathlib import Path

from dino_pipeline.dino.training.history import RowFile, RowTail, numbers, read_rows


def test_a_resumed_file_keeps_the_rows_up_to_its_checkpoint(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "history.csv", ["step", "loss", "knn"])
    file.cut_after(0)
    for step in (2, 4, 6):
        file.append({"step": step, "loss": 1 / step})
    file.cut_after(4)
    file.append({"step": 6, "loss": 0.5, "knn": 0.25})
    assert [numbers(row) for row in read_rows(tmp_path / "history.csv")] == [
        {"step": 2, "loss": 0.5},
        {"step": 4, "loss": 0.25},
        {"step": 6, "loss": 0.5, "knn": 0.25},
    ]


def test_a_tail_gives_each_row_once_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    tail = RowTail(path)
    assert tail.new_rows() == []
    path.write_text("step,loss\n2,0.5\n4,0.2")
    assert tail.new_rows() == [{"step": 2.0, "loss": 0.5}]
    with path.open("a") as file:
        file.write("5\n")
    assert tail.new_rows() == [{"step": 4.0, "loss": 0.25}]
    assert tail.new_rows() == []
