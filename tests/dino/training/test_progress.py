"""Progress folders: one training never touches another's."""

import json
from pathlib import Path

import pytest

from dino_pipeline.dino.training.progress import adopt, differing_keys, progress_folder, unfinished


def started(root: Path, fingerprint: str, recipe: str) -> Path:
    folder = progress_folder(root, fingerprint)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"fingerprint": fingerprint, "recipe": recipe}))
    for name in ("last.pt", "history.csv", "timing.csv"):
        (folder / name).write_text(f"{name} of {fingerprint}")
    return folder


def test_only_unfinished_trainings_of_the_recipe_are_named(tmp_path: Path) -> None:
    started(tmp_path, "mine", "cifar10")
    started(tmp_path, "other", "cifar10")
    started(tmp_path, "elsewhere", "smoke")
    (started(tmp_path, "done", "cifar10") / "finished").mkdir()
    assert set(unfinished(tmp_path, "cifar10", other_than="mine")) == {"other"}


def test_adopting_copies_progress_and_leaves_the_other_as_it_is(tmp_path: Path) -> None:
    old = started(tmp_path, "old", "cifar10")
    adopt(tmp_path, "old", "new")
    assert (tmp_path / "new" / "last.pt").read_text() == "last.pt of old"
    assert (old / "last.pt").is_file()
    with pytest.raises(ValueError, match="progress of its own"):
        adopt(tmp_path, "old", "new")
    with pytest.raises(ValueError, match=r"no progress under 'lost'; there is: new, old"):
        adopt(tmp_path, "lost", "newer")


def test_differing_keys_are_dotted_names() -> None:
    one = {"seed": 1, "loss": {"temperature": 0.1, "momentum": 0.9}}
    other = {"seed": 1, "loss": {"temperature": 0.2, "momentum": 0.9}, "epochs": 3}
    assert differing_keys(one, other) == ["epochs", "loss.temperature"]
