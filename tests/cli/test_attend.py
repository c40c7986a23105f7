"""The command draws every image that can be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.__main__ import main


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
