"""A folder's images are its input; what this project wrote, other programs' folders and what would block are not."""

import logging
import os
import socket
from pathlib import Path

import pytest

from dino_pipeline.dino import partial
from dino_pipeline.ingestion.sources import registry
from dino_pipeline.ingestion.sources.folder import list_folder
from dino_pipeline.recipes.init.project import prepare_project

from ..conftest import RunIngest, WriteImage


def names(folder: Path) -> list[str]:
    return [file.name for file in list_folder(folder).files]


@pytest.fixture
def photos(tmp_path: Path, write_image: WriteImage) -> Path:
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/3.png", "data/4.jpg"):
        write_image(tmp_path / "photos" / name)
    return tmp_path / "photos"


OWN = ["cat/1.jpg", "cat/2.jpg", "data/4.jpg", "dog/3.png"]


def test_a_project_in_the_photo_folder_is_no_input(photos: Path, write_image: WriteImage) -> None:
    prepare_project(photos, recipe="p")
    for name in (
        "data/08_reporting/p/attention.png",
        "mlruns/1/a/artifacts/report.png",
        ".venv/icon.png",
        ".git/x.png",
    ):
        write_image(photos / name)
    (photos / "dvc.lock").touch()
    listing = list_folder(photos)
    assert [file.name for file in listing.files] == OWN
    left_out = dict(listing.left_out)
    assert {
        "conf",
        "mlruns",
        "data/0*",
        "dvc.yaml",
        "dvc.lock",
        "pyproject.toml",
    } <= set(left_out)
    assert set(left_out.values()) == {"this project's own"}


def test_a_project_below_the_photos_is_no_input(photos: Path, write_image: WriteImage) -> None:
    prepare_project(photos / "deep" / "project", recipe="p")
    write_image(photos / "deep/project/out/1.png")
    listing = list_folder(photos)
    assert [file.name for file in listing.files] == OWN
    assert listing.left_out == (("deep/project", "a project of dino_pipeline"),)
    write_image(photos / "other/pyproject.toml.jpg")
    (photos / "other/pyproject.toml").write_text("[project]\nname = 'another'\n")
    assert "other/pyproject.toml.jpg" in names(photos)
    # images that the project keeps are input where they are named
    write_image(photos / "deep/project/data/01_raw/set/1.jpg")
    assert names(photos / "deep/project/data/01_raw") == ["set/1.jpg"]


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "CACHEDIR.TAG"])
def test_folders_of_other_programs_are_no_input(photos: Path, write_image: WriteImage, mark: str) -> None:
    write_image(photos / "venv/logo.png")
    (photos / "venv" / mark).touch()
    assert names(photos) == OWN
    assert list_folder(photos).left_out[0][0] == "venv"


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", ".DS_Store", "._1.jpg", "@eaDir/1.jpg", "$RECYCLE.BIN/1.jpg"]
)
def test_what_systems_put_beside_images_is_no_input(photos: Path, write_image: WriteImage, name: str) -> None:
    write_image(photos / name)
    assert names(photos) == OWN


def test_the_digest_stays_when_the_project_grows(
    photos: Path, write_image: WriteImage, run: RunIngest, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_project(photos, recipe="p")
    first = run(photos)
    for name in ("data/08_reporting/p/attention.png", "mlruns/report.png", "data/03_primary/p/x.png"):
        write_image(photos / name)
    with caplog.at_level(logging.INFO):
        second = run(photos)
    assert second.summary["digest"] == first.summary["digest"]
    assert not len(second.quarantine)
    assert "No input in" in caplog.text
    assert "(this project's own)" in caplog.text


def test_what_would_block_or_cannot_be_opened_is_quarantined(photos: Path, run: RunIngest) -> None:
    os.mkfifo(photos / "pipe.jpg")
    (photos / "zero.jpg").symlink_to("/dev/zero")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "dangling.jpg").symlink_to("/nowhere")
    (photos / "around").symlink_to(photos)
    (photos / "empty.jpg").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "socket.jpg"))
    found = run(photos)
    reasons = {Path(path).name: reason for path, _, reason in found.quarantine.itertuples(index=False)}
    assert reasons == {
        "pipe.jpg": "not an image: a pipe, socket or device",
        "zero.jpg": "not an image: a pipe, socket or device",
        "socket.jpg": "not an image: a pipe, socket or device",
        "loop.jpg": "cannot be read: Too many levels of symbolic links",
        "dangling.jpg": "cannot be read: No such file or directory",
        "empty.jpg": "empty",
    }
    assert found.summary["num_images"] == 4


@pytest.mark.parametrize("ending", [".zip", ".tar", ".csv", ".tar.gz"])
def test_a_pipe_as_the_source_is_refused(tmp_path: Path, run: RunIngest, ending: str) -> None:
    os.mkfifo(tmp_path / f"x{ending}")
    with pytest.raises(ValueError, match="neither a folder nor a file"):
        run(tmp_path / f"x{ending}")


def test_a_folder_of_archives_says_what_to_do(photos: Path, tmp_path: Path, run: RunIngest) -> None:
    import tarfile

    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(2):
        with tarfile.open(shards / f"{number}.tar", "w") as tar:
            tar.add(photos / "cat", ".")
    with pytest.raises(
        ValueError, match=r"2 not an image, such as 0.tar \(.*give archives themselves.*a.tar,b.tar"
    ):
        run(shards)
    found = run((str(shards / "0.tar"), str(shards / "1.tar")), validation_fraction=0.0)
    assert found.summary["num_images"] == 4


def test_copying_reads_no_folder_for_each_file(
    photos: Path, tmp_path: Path, run: RunIngest, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[Path] = []
    search = partial.remove_leftovers

    def counted(folder: Path, name: str | None = None) -> None:
        searched.append(folder)
        search(folder, name)

    monkeypatch.setattr(partial, "remove_leftovers", counted)
    monkeypatch.setattr(registry, "remove_leftovers", counted)
    for number in range(30):
        write_image(photos / f"cat/{number}.jpg")
    first = run(photos, copy_images=True)
    copy = tmp_path / "project/data/01_raw/photos"
    assert len(searched) < 10
    (copy / "cat/.partial-999999999-7.jpg").write_bytes(b"of a killed run")
    (copy / "cat/7.jpg").unlink()
    assert run(photos, copy_images=True).summary["digest"] == first.summary["digest"]
    assert sorted(path.name for path in (copy / "cat").iterdir()) == sorted(
        path.name for path in (photos / "cat").iterdir()
    )
