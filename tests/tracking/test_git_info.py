"""A patch of what was not committed, without what is nobody's business."""

import subprocess
from pathlib import Path

import pytest

from dino_pipeline.tracking import git_info
from dino_pipeline.tracking.git_info import uncommitted_diff

IDENTITY = ["-c", "user.name=n", "-c", "user.email=e@example.org"]


def git(folder: Path, *command: str) -> None:
    subprocess.run(["git", "-C", str(folder), *IDENTITY, *command], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit of code, and of credentials that should not be there."""
    for name in ("code.py", "conf/local/parameters.yml", "conf/base/credentials.yml", ".env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a = 1\nb = 2\n\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_the_patch_makes_of_the_commit_what_the_files_were(repository: Path) -> None:
    assert uncommitted_diff(repository) == ""
    edited = "a = 2\nb = 2\n\nc = 3  # é"
    (repository / "code.py").write_text(edited)
    (repository / "untracked.py").write_text("secret = 1\n")
    patch = uncommitted_diff(repository)
    assert "untracked" not in patch
    git(repository, "checkout", "-q", "--", "code.py")
    (repository / "edits.patch").write_text(patch)
    git(repository, "apply", "edits.patch")
    assert (repository / "code.py").read_text() == edited


def test_nothing_that_may_hold_credentials_is_in_it(repository: Path) -> None:
    for name in ("conf/local/parameters.yml", "conf/base/credentials.yml", ".env"):
        (repository / name).write_text("password = 'hunter2'\n")
    assert uncommitted_diff(repository) == ""
    (repository / "code.py").write_text("store = 'https://ann:hunter2@example.org/runs'\n")
    assert "hunter2" not in uncommitted_diff(repository)
    assert "https://example.org/runs" in uncommitted_diff(repository / "conf")  # of the whole repository


def test_of_a_huge_one_the_beginning_is_kept(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_info, "_MAX_CHARACTERS", 1000)
    (repository / "code.py").write_text("".join(f"line {number}\n" for number in range(2000)))
    patch = uncommitted_diff(repository)
    assert len(patch) < 1100
    assert patch.splitlines()[-1].startswith("... cut here: the whole diff has ")


def test_without_a_repository_there_is_none(tmp_path: Path) -> None:
    assert uncommitted_diff(tmp_path) == ""
