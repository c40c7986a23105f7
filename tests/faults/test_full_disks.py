"""A full disk, wherever a command writes: one line that names it, nothing half, and the same command continues."""

import errno
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from kedro.io import DatasetError
from kedro_datasets.json import JSONDataset
from PIL import Image

from dino_pipeline import tracking
from dino_pipeline.__main__ import main
from dino_pipeline.dino.training.kept_checkpoints import load_newest
from dino_pipeline.dino.training.run import pretrain
from dino_pipeline.project.catalog import WholeFileCatalog
from dino_pipeline.project.results import ResultStore
from dino_pipeline.recipes.init.project import prepare_project
from dino_pipeline.tracking import tracker
from dino_pipeline.workspace.full_disk import in_words
from tests.dino.conftest import MakeSpec, StopAfter

CPU = torch.device("cpu")


@contextmanager
def filled(disk: Path, *, room: int = 0) -> Iterator[None]:
    """The disk has this many bytes left inside the block."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - room))
    try:
        yield
    finally:
        ballast.unlink()


def leftovers(disk: Path) -> list[str]:
    return [str(file.relative_to(disk)) for file in disk.rglob("*") if ".partial" in file.name]


@pytest.fixture
def run(small_disk: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> tracking.ModelRun:
    """A model's run, whose store lies on the small disk."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracker, "_store", None)
    (small_disk / "mlruns").mkdir()
    shutil.copy(empty_database, small_disk / "mlruns" / "mlflow.db")
    tracking.configure(small_disk)
    return tracking.model_run("abc")


def test_the_full_disk_is_named(small_disk: Path) -> None:
    with filled(small_disk), pytest.raises(OSError, match="No space") as caught:
        (small_disk / "x").write_bytes(bytes(10**6))
    assert caught.value.filename is None
    (small_disk / "x").unlink()
    with filled(small_disk):
        words = in_words(caught.value, small_disk)
    assert words == f"the disk of {small_disk} is full: free some of it, then the same command continues"
    over = OSError(errno.EDQUOT, "Disk quota exceeded", str(small_disk / "x"))
    assert f"the disk of {small_disk} is over your quota" in in_words(over, Path("/"))
    assert in_words(ValueError("as it is"), small_disk) == "as it is"


def test_embeddings_are_whole_or_absent(
    published_model: Path, small_disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    output = small_disk / "photos.parquet"
    command = ["embed", str(photos), f"--model={published_model}", f"--output={output}", "--recipe=smoke"]
    with filled(small_disk):
        assert main(command) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert (
        error == f"Error: the disk of {small_disk} is full: free some of it, then the same command continues"
    )
    assert not output.exists()
    assert not leftovers(small_disk)
    assert main(command) == 0
    assert output.is_file()


def test_a_project_is_made_by_the_next_try(small_disk: Path) -> None:
    folder = small_disk / "project"
    with filled(small_disk, room=100_000), pytest.raises(OSError, match="No space"):
        prepare_project(folder, recipe="p")
    assert not (folder / "pyproject.toml").exists()  # else the next try would take it for a project
    assert prepare_project(folder, recipe="p")
    assert not prepare_project(folder, recipe="p")
    assert not leftovers(small_disk)


def test_a_result_is_kept_whole_or_not_at_all(small_disk: Path) -> None:
    store, output = ResultStore(small_disk / "results"), small_disk / "features.bin"
    output.write_bytes(bytes(1000))

    def keep() -> None:
        with store.making("extract", "key") as draft:
            (draft.records_folder / "picture.png").write_bytes(bytes(100_000))
            draft.complete({"features": output}, messages=[], records=[])

    with filled(small_disk), pytest.raises(OSError, match="No space"):
        keep()
    assert store.find("extract", "key") is None
    assert not leftovers(small_disk)
    keep()
    assert store.find("extract", "key") is not None


def test_an_output_of_a_stage_stays_the_earlier_one(small_disk: Path) -> None:
    file = small_disk / "report" / "metrics.json"
    catalog = WholeFileCatalog({"metrics": JSONDataset(filepath=str(file))})
    catalog.save("metrics", {"knn": 1})
    with filled(small_disk), pytest.raises(DatasetError, match="No space") as caught:
        catalog.save("metrics", {"knn": "x" * 100_000})
    assert "\n" not in in_words(caught.value, small_disk)
    assert "is full: free some of it" in in_words(caught.value, small_disk)
    assert json.loads(file.read_text()) == {"knn": 1}
    assert not leftovers(small_disk)


def test_mlflow_on_a_full_disk_stops_nothing_and_has_the_rest_later(
    small_disk: Path, run: tracking.ModelRun, caplog: pytest.LogCaptureFixture
) -> None:
    with filled(small_disk), caplog.at_level(logging.WARNING):
        run.log_text("x" * 100_000, "note.txt")
        run.set_tags({"one": "1" * 4000})
    assert "MLflow will lack" in caplog.text
    assert not list((small_disk / "data" / ".unsent").glob("*/*")), (
        "what could not be kept does not fill the disk"
    )
    run.set_tags({"two": "2"})
    assert run.sync()
    assert run.tags()["two"] == "2"


def test_half_a_kept_record_does_not_stop_the_others(small_disk: Path, run: tracking.ModelRun) -> None:
    for content in ("", '{"kind": "te'):  # as a full disk and a kill leave it
        run._spool.append("artifacts", {"kind": "text", "text": "x", "name": "a.txt"}, None)
        (run._spool.folder / "artifacts.jsonl").write_text(content)
        assert tracker.send_spooled_runs() == ["imported-abc"]
        assert not list((small_disk / "data" / ".unsent").glob("*/*"))


def test_a_full_disk_stops_the_training_which_goes_on_when_there_is_room(
    make_spec: MakeSpec, tmp_path: Path, small_disk: Path
) -> None:
    changes = {"pretrain": {"precision": "fp32"}, "monitoring": {"checkpoint_every_steps": 3}}
    undisturbed, spec = make_spec(tmp_path / "undisturbed", **changes), make_spec(small_disk, **changes)
    assert pretrain(undisturbed, CPU, StopAfter(float("inf")))
    assert not pretrain(spec, CPU, StopAfter(4))
    room = 20_480  # for a line of history, not for a checkpoint
    with (
        filled(small_disk, room=room),
        pytest.raises(
            OSError, match=r"the previous one is intact\. Solve this, then the same command continues"
        ),
    ):
        pretrain(spec, CPU, StopAfter(float("inf")))
    newest = load_newest(small_disk, CPU)
    assert newest is not None
    assert newest["state"]["step"] == 4
    assert not list(small_disk.glob(".partial-*")), "what could not be written does not fill the disk"

    assert pretrain(spec, CPU, StopAfter(float("inf")))
    for name in ("teacher.safetensors", "student.safetensors", "history.csv"):
        whole, resumed = (Path(run.folder) / "finished" / name for run in (undisturbed, spec))
        assert whole.read_bytes() == resumed.read_bytes(), name
