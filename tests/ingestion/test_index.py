"""What an update reads differently is said, and what may be mended outside the file is tried again."""

import logging
from pathlib import Path
from typing import Any

import pytest

from dino_pipeline.ingestion import index, inspection
from dino_pipeline.ingestion.inspection import Facts

from .conftest import RunIngest, WriteImage


def test_an_update_says_which_unchanged_files_it_reads_differently(
    tmp_path: Path,
    write_image: WriteImage,
    run: RunIngest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(6):
        write_image(tmp_path / "photos" / f"{number}.jpg")
    inspect = inspection.inspect
    older = {"1.jpg": Facts(0, 0, "", "corrupt: large text"), "2.jpg": Facts(3, 5, "thumbnail", "")}
    newer = {"3.jpg": Facts(0, 0, "", "unsupported pixels: signed")}

    def of(verdicts: dict[str, Facts]) -> Any:
        return lambda file, limits: verdicts.get(file.name) or inspect(file, limits)

    monkeypatch.setattr(inspection, "inspect", of(older))
    monkeypatch.setattr(index, "_DECODER", index._DECODER - 1)
    before = run(tmp_path / "photos", minimum_size=1, validation_fraction=0.0)
    monkeypatch.undo()
    monkeypatch.setattr(inspection, "inspect", of(newer))
    with caplog.at_level(logging.WARNING):
        after = run(tmp_path / "photos", minimum_size=1, validation_fraction=0.0)
    assert before.summary["digest"] != after.summary["digest"]
    for text in (
        "1 unchanged files are read differently, such as 1.jpg, which was quarantined and is an image now",
        "such as 2.jpg, which is another page of its file now",
        "such as 3.jpg, which was an image and is quarantined now (unsupported pixels: signed)",
    ):
        assert text in caplog.text
    caplog.clear()
    run(tmp_path / "photos", minimum_size=1, validation_fraction=0.0)
    assert "read differently" not in caplog.text


def test_a_format_whose_library_is_installed_later_is_read_then(
    tmp_path: Path, write_image: WriteImage, run: RunIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1.jpg", "2.heic"):
        write_image(tmp_path / "photos" / name)
    inspect = inspection.inspect
    missing = Facts(0, 0, "", "unsupported format: HEIC: pip install pillow-heif")
    monkeypatch.setattr(
        inspection,
        "inspect",
        lambda file, limits: missing if file.name == "2.heic" else inspect(file, limits),
    )
    assert run(tmp_path / "photos", validation_fraction=0.0).summary["num_images"] == 1
    monkeypatch.undo()
    assert run(tmp_path / "photos", validation_fraction=0.0).summary["num_images"] == 2
