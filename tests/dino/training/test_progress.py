"""Progress folders: one training never touches another's."""

import json
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.checkpoint import DamagedCheckpointError, save_checkpoint
from dino_pipeline.dino.training.progress import (
    adopt,
    adopted_from,
    differing_keys,
    progress_folder,
    resume_from,
    unfinished,
)
from tests.dino.conftest import PRETRAIN


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
    assert adopted_from(tmp_path / "new") == "old"
    (tmp_path / "new" / "last.pt").write_text("gone on since")
    adopt(tmp_path, "old", "new")  # the same command after an interruption
    assert (tmp_path / "new" / "last.pt").read_text() == "gone on since"
    started(tmp_path, "third", "cifar10")
    assert adopted_from(tmp_path / "third") is None
    with pytest.raises(ValueError, match="already has its own progress"):
        adopt(tmp_path, "old", "third")
    with pytest.raises(ValueError, match=r"no progress of 'lost'; existing: new, old, third"):
        adopt(tmp_path, "lost", "newer")


def test_differing_keys_are_dotted_names() -> None:
    one = {"seed": 1, "loss": {"temperature": 0.1, "momentum": 0.9}}
    other = {"seed": 1, "loss": {"temperature": 0.2, "momentum": 0.9}, "epochs": 3}
    assert differing_keys(one, other) == ["epochs", "loss.temperature"]


def test_a_given_checkpoint_is_taken_up_when_it_is_of_this_very_training(tmp_path: Path) -> None:
    pretrain = from_dict(PretrainConfig, PRETRAIN)
    backup, folder = tmp_path / "backup" / "step-00000004.pt", tmp_path / "mine"
    backup.parent.mkdir()
    save_checkpoint({"fingerprint": "mine", "config": to_dict(pretrain)}, backup)
    (backup.parent / "history.csv").write_text("step\n4\n")
    resume_from(backup, folder, "mine", pretrain)
    assert (folder / "last.pt").read_bytes() == backup.read_bytes()
    assert (folder / "history.csv").read_text() == "step\n4\n"
    # Interrupted and called again, it goes on from its own progress.
    (folder / "last.pt").write_text("gone on since")
    resume_from(backup, folder, "mine", pretrain)
    assert (folder / "last.pt").read_text() == "gone on since"


def test_a_given_checkpoint_of_another_training_is_refused_by_the_keys_that_differ(tmp_path: Path) -> None:
    pretrain = from_dict(PretrainConfig, PRETRAIN)
    optimizer = PRETRAIN["optimizer"] | {"momentum": 0.8}
    other = from_dict(PretrainConfig, PRETRAIN | {"epochs": 7, "optimizer": optimizer})
    file, mine = tmp_path / "other.pt", tmp_path / "mine"
    save_checkpoint({"fingerprint": "other", "config": to_dict(other)}, file)
    with pytest.raises(
        ValueError,
        match=r"differs in pretrain\.epochs, pretrain\.optimizer\.momentum; .* launch\.adopt_progress=other",
    ):
        resume_from(file, mine, "mine", pretrain)
    save_checkpoint({"fingerprint": "other", "config": to_dict(pretrain)}, file)
    with pytest.raises(ValueError, match="differs in its data or code"):
        resume_from(file, mine, "mine", pretrain)
    save_checkpoint({"teacher": torch.zeros(2)}, file)
    with pytest.raises(ValueError, match=r"use it as pretrain\.initial_weights"):
        resume_from(file, mine, "mine", pretrain)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DamagedCheckpointError):
        resume_from(file, mine, "mine", pretrain)
    with pytest.raises(ValueError, match="does not exist"):
        resume_from(tmp_path / "lost.pt", mine, "mine", pretrain)
    assert not (mine / "last.pt").exists()
