"""A project's files have the modes of who makes it, not those of the package."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from dino_pipeline.recipes.init import project
from dino_pipeline.recipes.reading import conf_folder


@pytest.mark.parametrize(("mask", "modes"), [(0o077, {0o600, 0o700}), (0o022, {0o644, 0o755})])
def test_a_read_only_package_makes_a_project_that_its_owner_may_change(
    mask: int, modes: set[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, made = tmp_path / "package", tmp_path / "project \"a\" 'b'"
    shutil.copytree(conf_folder() / "base", package / "conf" / "base")
    shutil.copy(conf_folder() / "logging.yml", package / "conf")
    (package / "evaluations").mkdir()
    for stages in ("dvc.yaml", "evaluations/dvc.yaml"):
        shutil.copy(conf_folder().parent / stages, package / stages)
    for one in (*package.rglob("*"), package):
        one.chmod(0o555 if one.is_dir() else 0o444)
    monkeypatch.setattr(project, "conf_folder", lambda: package / "conf")
    before = os.umask(mask)
    try:
        assert project.prepare_project(made, recipe="p")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(one.stat().st_mode) for one in made.rglob("*")} == modes
    assert not project.prepare_project(made, recipe="p"), "its name has quotes, and the file is read again"
    for one in (package, *package.rglob("*")):
        if one.is_dir():
            one.chmod(0o755)
