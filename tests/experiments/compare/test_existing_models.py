"""Models of DVC experiments and revisions, from a real repository whose workspace has moved on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dino_pipeline.dino.weights.published import DESCRIPTION, PublishedModel, read_model, write_model
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.experiments.compare.existing_models import existing_models


def run(folder: Path, *command: str) -> None:
    programs = {
        "git": ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"],
        "dvc": [sys.executable, "-m", "dvc"],
    }
    subprocess.run([*programs[command[0]], *command[1:]], cwd=folder, check=True, capture_output=True)


def publish(repository: Path, fingerprint: str) -> None:
    folder = repository / "data" / "06_models" / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    write_model(
        folder, PublishedModel(fingerprint=fingerprint, data_digest="d", recipe="tiny", config={}), {}
    )


def test_the_model_of_a_revision_is_brought_whatever_the_workspace_holds(
    tmp_path: Path, comparing: Callable[..., CompareConfig]
) -> None:
    repository = tmp_path / "repository"
    (repository / "conf").mkdir(parents=True)
    (repository / "conf" / "dvc_recipe.yml").write_text("recipe: tiny\n")
    run(repository, "git", "init", "-q")
    run(repository, "dvc", "init", "-q")
    publish(repository, "before")
    run(repository, "dvc", "add", "-q", "data/06_models/tiny")
    run(repository, "git", "add", "-A")
    run(repository, "git", "commit", "-qm", "a model")
    run(repository, "git", "tag", "kept")
    publish(repository, "after")
    run(repository, "dvc", "add", "-q", "data/06_models/tiny")

    config = comparing(experiments={"old": "kept"})
    for _ in range(2):  # the second finds the copy
        (model,) = existing_models(config, repository, tmp_path / "experiments")["old"]
        assert read_model(model).fingerprint == "before"
    with pytest.raises(ValueError, match=r"compare\.experiments, row 'lost': .*'nowhere' cannot be read"):
        existing_models(comparing(experiments={"lost": "nowhere"}), repository, tmp_path / "experiments")
