"""Rows on disk, read while they are written."""

from pathlib import Path

from dino_pipeline.dino.training.history import HistoryReader, RowFile, numbers, read_rows


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


def test_a_reader_gives_each_row_once_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    reader = HistoryReader(path)
    assert reader.new_rows() == []
    path.write_text("step,loss\n2,0.5\n4,0.2")
    assert reader.new_rows() == [{"step": 2.0, "loss": 0.5}]
    with path.open("a") as file:
        file.write("5\n")
    assert reader.new_rows() == [{"step": 4.0, "loss": 0.25}]
    assert reader.new_rows() == []


def test_a_reader_reads_on_from_the_last_byte(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    reader = HistoryReader(path)
    path.write_text("step,loss\n2,0.5\n4,0.2\n")
    assert len(reader.new_rows()) == 2
    with path.open("r+") as file:
        file.seek(len("step,loss\n"))
        file.write("x,y")  # what was read is not read again
    with path.open("a") as file:
        file.write("6,0.1\n8,")
    assert reader.new_rows() == [{"step": 6.0, "loss": 0.1}]


def test_after_a_cut_a_reader_gives_no_step_twice(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "history.csv", ["step", "loss", "knn"])
    reader = HistoryReader(file.path)
    file.cut_after(0)
    for step in (2, 4, 6):
        file.append({"step": step, "loss": 0.5})
    assert [row["step"] for row in reader.new_rows()] == [2, 4, 6]
    file.cut_after(2)
    assert reader.new_rows() == []
    for step in (4, 6, 8):
        file.append({"step": step, "loss": 0.125, "knn": 0.25})
    assert reader.new_rows() == [{"step": 8.0, "loss": 0.125, "knn": 0.25}]


def test_a_cut_file_that_has_grown_longer_than_before_is_read_again(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "timing.csv", ["step", "seconds"])
    reader = HistoryReader(file.path)
    file.cut_after(0)
    for step in (2, 4):
        file.append({"step": step, "seconds": 1.5})
    assert [row["step"] for row in reader.new_rows()] == [2, 4]
    file.cut_after(2)
    for step in (4, 6, 8):
        file.append({"step": step, "seconds": 1.75})
    assert [row["step"] for row in reader.new_rows()] == [6, 8]


def test_a_cut_within_a_torn_line_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    reader = HistoryReader(path)
    path.write_text("step,loss\n2,0.5\n4,0.25\n6,0.1")
    assert [row["step"] for row in reader.new_rows()] == [2, 4]
    path.write_text("step,loss\n2,0.5\n4")
    assert reader.new_rows() == []
    path.write_text("step,loss\n2,0.5\n4,0.75\n6,0.5\n")
    assert reader.new_rows() == [{"step": 6.0, "loss": 0.5}]
