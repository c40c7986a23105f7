"""What DVC keeps in its cache or its remote is still obtainable, and what it keeps in neither is not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dino_pipeline.model_registry.lineage.manifests import StoredManifest, read_from_dvc
from dino_pipeline.model_registry.lineage.provenance_items import data_item
from tests.registered import git, images_of_tints


def dvc(folder: Path, *command: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, check=True, capture_output=True)


@pytest.mark.full
def test_images_come_from_the_cache_then_from_the_remote_then_not_at_all(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "--quiet")
    dvc(project, "init", "--quiet")
    dvc(project, "config", "core.analytics", "false")
    dvc(project, "remote", "add", "--default", "store", str(tmp_path / "remote"))
    manifest = images_of_tints(project, 8)
    dvc(project, "add", "--quiet", "data/01_raw")
    dvc(project, "push", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message=data")
    commit = git(project, "rev-parse", "HEAD")
    raw = project / "data" / "01_raw"
    content = (raw / "3.png").read_bytes()
    shutil.rmtree(raw)

    def text() -> str:
        stored = StoredManifest(manifest, "here")
        return data_item(manifest.digest(), stored, project, commit=commit, num_hashed=8).item.text

    assert read_from_dvc(project, commit, "data/01_raw/3.png") == content
    assert read_from_dvc(project, commit, "data/01_raw/99.png") is None
    assert text().endswith("DVC has them, run dvc pull")
    shutil.rmtree(project / ".dvc" / "cache")
    assert read_from_dvc(project, commit, "data/01_raw/3.png") == content
    shutil.rmtree(project / ".dvc" / "cache", ignore_errors=True)
    shutil.rmtree(tmp_path / "remote")
    assert read_from_dvc(project, commit, "data/01_raw/3.png") is None
    assert "8 images are missing" in text()
    assert "dvc pull" not in text()
