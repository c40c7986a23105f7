"""A training of before gets its fingerprint of now, and what it has trained stays its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training import adoption
from dino_pipeline.dino.training.adoption import move, read_training
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import FINISHED, earlier_fingerprints
from dino_pipeline.dino.training.progress import SPEC, find_progress
from dino_pipeline.dino.training.progress import adopt as continue_from
from dino_pipeline.dino.weights import older_files
from dino_pipeline.dino.weights.published import read_model
from tests.old_project import TRAININGS, unpack

NOW = "0123456789abcdef"


@pytest.fixture(scope="module")
def of_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("old")) / TRAININGS


@pytest.fixture(autouse=True)
def identity_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "fingerprint", lambda *_: NOW)


def copied(of_before: Path, root: Path, *, recipe: str, finished: bool) -> Path:
    """A training's folder below `root`, under its name of before."""
    for folder in sorted(of_before.glob("[!.]*")):
        spec = json.loads((folder / SPEC).read_text())
        if spec["recipe"] == recipe and (folder / FINISHED).is_dir() == finished:
            return Path(shutil.copytree(folder, root / folder.name))
    raise AssertionError("no such training")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_only_names_change_in_a_finished_training(of_before: Path, tmp_path: Path) -> None:
    folder = copied(of_before, tmp_path, recipe="shapes", finished=True)
    before, told_before = contents(folder), read_model(folder / FINISHED)
    moved = move(read_training(folder))
    assert moved == tmp_path / NOW
    assert [file.name for file in tmp_path.iterdir()] == [NOW]
    assert earlier_fingerprints(moved) == (folder.name,)
    model = read_model(moved / FINISHED)
    assert model.fingerprints == (NOW, folder.name)
    assert (model.config, model.recipe) == (told_before.config, told_before.recipe)
    after = contents(moved)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == {"spec.json", "finished/model.json", "earlier_fingerprints"}
    spec = from_dict(TrainingSpec, json.loads(after["spec.json"]))
    assert (spec.fingerprint, spec.folder) == (NOW, str(moved))
    assert read_training(moved).is_moved


@pytest.mark.parametrize("finished", [True, False])
def test_after_a_kill_anywhere_the_same_call_goes_on(
    of_before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    recipe = "shapes" if finished else "stopped"
    whole = tmp_path / "whole"
    whole.mkdir()
    expected = contents(move(read_training(copied(of_before, whole, recipe=recipe, finished=finished))))
    for number in range(10):
        root = tmp_path / str(number)
        root.mkdir()
        folder = copied(of_before, root, recipe=recipe, finished=finished)
        if not kill_at(number, lambda folder=folder: move(read_training(folder)), monkeypatch):
            assert number >= 3
            return
        if folder.is_dir():
            move(read_training(folder))
        found = contents(root / NOW)
        assert {name for name in found if found[name] != expected.get(name)} == {"spec.json"}  # its folder
        assert sorted(file.name for file in root.iterdir()) == [NOW]
    raise AssertionError("it never came to its end")


def kill_at(number: int, act: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Act, and stop before the rename of that number, counted from 0; whether there was one."""
    left = [number]

    def counting(real: Any) -> Any:
        def rename(self: Path, target: Path) -> Path:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return Path(real(self, target))

        return rename

    with monkeypatch.context() as patch:
        for name in ("rename", "replace"):
            patch.setattr(Path, name, counting(getattr(Path, name)))
        try:
            act()
        except KeyboardInterrupt:
            return True
    return False


def test_what_was_begun_again_gives_way_to_a_finished_model_only(of_before: Path, tmp_path: Path) -> None:
    folder = copied(of_before, tmp_path, recipe="stopped", finished=False)
    (tmp_path / NOW).mkdir()
    (tmp_path / NOW / "last.pt").write_text("begun again")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=f"there is already progress under its new fingerprint {NOW}"):
        move(read_training(folder))
    assert contents(tmp_path) == before
    shutil.rmtree(folder)
    move(read_training(copied(of_before, tmp_path, recipe="shapes", finished=True)))
    assert (tmp_path / NOW / FINISHED).is_dir()
    with pytest.raises(ValueError, match="already"):
        move(read_training(copied(of_before, tmp_path, recipe="shapes", finished=True)))


def test_fields_that_came_later_have_their_value_of_then(
    of_before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(of_before, tmp_path, recipe="stopped", finished=False)
    expected = read_training(folder).spec
    values = json.loads((folder / SPEC).read_text())
    removed = values["launch"].pop("max_restarts")
    (folder / SPEC).write_text(json.dumps(values))
    with pytest.raises(ValueError, match="max_restarts"):
        read_training(folder)
    monkeypatch.setattr(
        older_files, "LATER_FIELDS", {**older_files.LATER_FIELDS, "launch.max_restarts": removed}
    )
    assert read_training(folder).spec == expected


def test_its_earlier_fingerprint_still_names_its_progress(of_before: Path, tmp_path: Path) -> None:
    folder = copied(of_before, tmp_path, recipe="stopped", finished=False)
    moved = move(read_training(folder))
    assert find_progress(tmp_path, folder.name) == find_progress(tmp_path, NOW) == moved
    assert find_progress(tmp_path, "unknown") == tmp_path / "unknown"
    continue_from(tmp_path, folder.name, "another")
    assert (tmp_path / "another" / "last.pt").read_bytes() == (moved / "last.pt").read_bytes()
