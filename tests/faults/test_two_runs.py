"""Two `kedro run` of one recipe in one checkout: the second is refused, the first ends as if alone."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dino_pipeline.workspace.run_lock import FOLDER, run_lock

ROOT = Path(__file__).parents[2]
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `kedro run` needs of this project; its code is the installed one."""
    for name in ("pyproject.toml", "conf", "src"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    shutil.rmtree(tmp_path / "conf" / "local", ignore_errors=True)
    return tmp_path


def start(checkout: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["kedro", "run", "--env=smoke", *arguments],
        cwd=checkout,
        env=os.environ | {"PATH": PATH, "KEDRO_DISABLE_TELEMETRY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_beside_one_of_its_recipe_is_refused_in_one_line(checkout: Path) -> None:
    with run_lock(checkout / FOLDER / "smoke.lock", "a run"):
        process = start(checkout, "--pipeline=ingest")
        output, _ = process.communicate()
    assert process.returncode == 1
    (line,) = [line for line in output.splitlines() if "is already running" in line]
    assert f"a run of the recipe smoke is already running in process {os.getpid()} since" in line
    assert not (checkout / "data" / "03_primary").exists()


@pytest.mark.full
def test_the_first_is_untouched_by_the_second(checkout: Path) -> None:
    first = start(checkout, "--pipeline=pretrain")
    while not (checkout / FOLDER / "smoke.lock").is_file():
        assert first.poll() is None
        time.sleep(0.1)
    second = start(checkout, "--pipeline=pretrain")
    refused, _ = second.communicate()
    output, _ = first.communicate()
    assert (first.returncode, second.returncode) == (0, 1), output + refused
    assert "is already running" in refused
    assert (checkout / "data" / "06_models" / "smoke" / "model.json").is_file()
    again = start(checkout, "--pipeline=pretrain")
    output, _ = again.communicate()
    assert again.returncode == 0
    assert "this model is trained already" in output
