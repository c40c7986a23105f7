"""The command removes unused results, and says what that frees."""

import os
import time
from pathlib import Path

import pytest

from dino_pipeline.__main__ import main
from dino_pipeline.project.results import RESULTS, ResultStore


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two results of 2 MB, one of them unused for forty days."""
    for key in ("new", "old"):
        output = tmp_path / "features"
        output.write_bytes(bytes(2_000_000))
        with ResultStore(tmp_path / RESULTS).making("extract", key) as draft:
            draft.complete({"features": output}, messages=[], records=[])
        output.unlink()
    then = time.time() - 40 * 86400
    os.utime(tmp_path / RESULTS / "extract" / "old" / "result.json", (then, then))
    return tmp_path


def keys(project: Path) -> list[str]:
    return sorted(folder.name for folder in (project / RESULTS / "extract").iterdir())


def test_unused_results_go_and_the_others_stay(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean-results", "--dry-run", f"--project={project}"]) == 0
    assert capsys.readouterr().out.startswith("Would remove 1 result, which frees 2.0 MB; 1 result left")
    assert keys(project) == ["new", "old"]
    assert main(["clean-results", f"--project={project}"]) == 0
    assert capsys.readouterr().out.startswith("Removed 1 result, which frees 2.0 MB; 1 result left")
    assert keys(project) == ["new"]
    assert main(["clean-results", "--unused-days=0", f"--project={project}"]) == 0
    assert keys(project) == []


def test_a_project_without_results_and_a_negative_age(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean-results", f"--project={tmp_path}"]) == 0
    assert "Removed 0 results, which frees 0.0 MB" in capsys.readouterr().out
    assert main(["clean-results", "--unused-days=-1", f"--project={tmp_path}"]) == 1
    assert "--unused-days is -1: give 0 or more" in capsys.readouterr().err
