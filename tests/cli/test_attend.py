"""The command draws every image that can be read."""

import os
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.__main__ import main
from dino_pipeline.inference import attend
from dino_pipeline.ingestion.sources.folder import list_folder


def test_a_folder_is_drawn_image_by_image(
    published_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photos / "a.jpg")
    Image.fromarray(pixels).save(photos / "deep" / "a.png")
    (photos / "words.txt").write_text("no image")
    drawn = tmp_path / "drawn"
    assert main(["attend", str(photos), f"--model={published_model}", f"--output={drawn}", "--size=32"]) == 0
    for name in ("a.jpg", "deep/a.png"):
        assert Image.open(drawn / name / "features.png").size == (48, 32)
        assert (drawn / name / "head_3_mask.png").is_file()
        assert (drawn / name / "overview.png").is_file()
    assert "words.txt: left out, not an image" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "folders"), [("--masks", [""]), ("--masks=heads", ["head_1", "head_2", "head_3"])]
)
def test_masks_mirror_the_folder_at_each_images_own_size(
    published_model: Path, tmp_path: Path, option: str, folders: list[str]
) -> None:
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (41, 67, 3), dtype=np.uint8)
    for name in ("a.jpg", "a.png", "deep/b.jpg"):
        Image.fromarray(pixels).save(photos / name)
    (photos / "a.json").write_text("{}")
    drawn = tmp_path / "drawn"
    assert (
        main(["attend", str(photos), f"--model={published_model}", f"--output={drawn}", "--size=32", option])
        == 0
    )
    written = sorted(str(path.relative_to(drawn / "masks")) for path in (drawn / "masks").rglob("*.png"))
    names = ("a.png", "a.png.png", "deep/b.png")
    assert written == sorted(str(Path(folder) / name) for folder in folders for name in names)
    mask = np.asarray(Image.open(drawn / "masks" / folders[0] / "deep" / "b.png"))
    assert mask.shape == (41, 67)
    assert mask.dtype == bool
    assert 0 < mask.sum() < mask.size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jpg"], "nowhere.jpg does not exist"),
        ([__file__], "no readable image"),
        ([__file__, "--threshold=60"], "at most 1"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_in_words(
    published_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    assert main(["attend", *arguments, f"--model={published_model}", f"--output={tmp_path}"]) == 1
    assert words in capsys.readouterr().err


def photo(path: Path, height: int = 40, width: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_items_that_cannot_be_drawn_are_named_at_the_end_and_by_the_exit_status(
    published_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photo(photos / "a.jpg")
    photo(photos / "z.jpg" / "in a folder named as an image.png")
    (photos / "dangling.jpg").symlink_to("/nowhere/b.jpg")
    (photos / "loop.jpg").symlink_to("loop.jpg")
    (photos / "empty.jpg").touch()
    (photos / "cut.jpg").write_bytes((photos / "a.jpg").read_bytes()[:700])
    os.mkfifo(photos / "pipe.jpg")
    (photos / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "socket.jpg"))
    (photos / "x.zip").write_bytes(b"PK\x03\x04")
    drawn = tmp_path / "drawn"
    assert main(["attend", str(photos), f"--model={published_model}", f"--output={drawn}", "--size=32"]) == 3
    printed = capsys.readouterr().out
    for line in (
        "dangling.jpg: left out, cannot be read: No such file",
        "loop.jpg: left out, cannot be read: Too many levels",
        "empty.jpg: left out, empty",
        "cut.jpg: left out, truncated",
        "pipe.jpg: left out, not an image: a pipe, socket or device",
        "device.jpg: left out, not an image: a pipe, socket or device",
        "socket.jpg: left out, not an image: a pipe, socket or device",
        "x.zip: left out, not an image: an archive",
    ):
        assert line in printed
    assert printed.splitlines()[-1].startswith("Left out 8 of 10 files: cut.jpg (truncated")
    assert {path.parent.name for path in drawn.rglob("overview.png")} == {
        "a.jpg",
        "in a folder named as an image.png",
    }


def test_pictures_are_no_input_of_the_next_command(
    published_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photo(photos / "a.jpg")
    for _ in range(2):
        arguments = [str(photos), f"--model={published_model}", f"--output={photos / 'out'}", "--size=32"]
        assert main(["attend", *arguments]) == 0
        assert [path.name for path in (photos / "out").glob("[!.]*")] == ["a.jpg"]
    assert "No input: out (the output)" in capsys.readouterr().out
    listing = list_folder(photos)
    assert [file.name for file in listing.files] == ["a.jpg"]
    assert listing.left_out == (("out", "pictures of dino-pipeline"),)
    photo(tmp_path / "full" / "b.jpg")  # a folder that is not the command's own
    arguments = [str(photos), f"--model={published_model}", f"--output={tmp_path / 'full'}", "--size=32"]
    assert main(["attend", *arguments]) == 0
    assert [file.name for file in list_folder(tmp_path / "full").files] == ["b.jpg"]


def test_an_archive_is_drawn_member_by_member(published_model: Path, tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "deep/a.jpg")
    drawn = tmp_path / "drawn"
    arguments = [str(tmp_path / "x.zip"), f"--model={published_model}", f"--output={drawn}", "--size=32"]
    assert main(["attend", *arguments]) == 0
    assert (drawn / "deep/a.jpg/overview.png").is_file()


def test_an_image_of_too_many_patches_is_left_out_with_the_size_that_fits(
    published_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photo(photos / "line.png", 1, 30_000)
    photo(photos / "square.png")
    arguments = [str(photos), f"--model={published_model}", f"--output={tmp_path / 'drawn'}"]
    assert main(["attend", *arguments]) == 3
    printed = capsys.readouterr().out
    assert "1,800,000 x 60 patches, more than 65,536: give --size=8 or less" in printed
    assert (tmp_path / "drawn/square.png/overview.png").is_file()


def test_memory_that_runs_out_at_one_image_does_not_lose_the_others(
    published_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photo(photos / "a.png", 40, 40)
    photo(photos / "b.png", 40, 80)
    whole = attend.pictures

    def pictures(backbone: object, image: np.ndarray, **settings: object) -> object:
        if image.shape[1] == 80:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"
            )
        return whole(backbone, image, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(attend, "pictures", pictures)
    arguments = [str(photos), f"--model={published_model}", f"--output={tmp_path / 'drawn'}", "--size=32"]
    assert main(["attend", *arguments]) == 3
    assert "b.png: left out, too many pixels" in capsys.readouterr().out
    assert (tmp_path / "drawn/a.png/overview.png").is_file()
