"""A dry run of a recipe prints its cost, and runs nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
def test_a_dry_run_prints_each_stage_s_cost_and_starts_none(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf" / "local").mkdir()
    settings = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(settings.replace('source_dir = "src"', 'source_dir = "."'))
    ran = subprocess.run(
        [
            str(Path(sys.executable).with_name("kedro")),
            "run",
            "--env=smoke",
            "--tags=dry_run",
            "--params=cost.price_per_hour=3",
        ],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ran.stdout.splitlines()
    for stage in ("ingest", "pretrain", "extract", "probe", "evaluate", "report", "register", "all"):
        (line,) = [line for line in lines if line.startswith(f"{stage} ")]
        assert len(line.split()) >= 5  # with its price
    assert "Predicted for smoke" in ran.stdout
    made = {str(path.relative_to(tmp_path)) for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert all(".running" in path for path in made), "a lock alone"
