"""A remote that DVC cannot reach is named in the error, and nothing of the project changes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

DVC = [sys.executable, "-m", "dvc"]
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tracked file, and two remotes that do not answer."""
    folder = tmp_path_factory.mktemp("unreachable")
    (folder / "a file").write_text("in the folder's place")
    project = folder / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "images").write_text("pixels")
    settings = {"endpointurl": "http://127.0.0.1:9", "access_key_id": "test", "secret_access_key": "planted"}
    for command in (
        [*GIT, "init", "--quiet"],
        [*DVC, "init", "--quiet"],
        [*DVC, "config", "core.analytics", "false"],
        [*DVC, "remote", "add", "folder", str(folder / "a file" / "remote")],
        [*DVC, "remote", "add", "s3", "s3://models/dvc"],
        *([*DVC, "remote", "modify", "s3", name, value] for name, value in settings.items()),
        [*DVC, "add", "--quiet", "data/images"],
        [*GIT, "add", "--all"],
        [*GIT, "commit", "--quiet", "--message=first"],
    ):
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    return project


@pytest.fixture(scope="module")
def clone(project: Path) -> Path:
    """A clone, which has the data's record and not the data."""
    folder = project.parent / "clone"
    subprocess.run(["git", "clone", "--quiet", str(project), str(folder)], check=True)
    return folder


def state(project: Path) -> tuple[str, dict[str, str]]:
    """What git sees, and a hash of every file of the data and DVC's cache."""
    seen = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True
    ).stdout
    files = [
        file for folder in ("data", ".dvc/cache") for file in (project / folder).rglob("*") if file.is_file()
    ]
    return seen, {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("verb", ["push", "pull", "fetch"])
@pytest.mark.parametrize(("remote", "said"), [("s3", "127.0.0.1:9"), ("folder", "ERROR")])
def test_an_unreachable_remote_is_an_error_and_changes_nothing(
    project: Path, clone: Path, verb: str, remote: str, said: str
) -> None:
    place = project if verb == "push" else clone  # what lies in the cache is not asked for
    before = state(place)
    done = subprocess.run(
        [*DVC, verb, f"--remote={remote}"],
        cwd=place,
        env=os.environ | {"AWS_MAX_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    assert said in done.stderr
    assert "planted" not in done.stdout + done.stderr
    assert state(place) == before
