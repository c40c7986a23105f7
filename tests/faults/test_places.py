"""A project in an unkind place: everything that public reports name, at once, for an ordinary user."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
NAME = 'Größe 犬 it\'s "50% off" #1'
USER = "54321"  # without a name or a home of its own

# The interpreter may lie in root's home: the user sees it there, and nothing else of that folder. 64 MB are Docker's.
SETTING = """
set -e
mount -t tmpfs -o size=64m none /dev/shm
if [ -n "$HIDDEN" ]; then
  mkdir -p "$STAGE"; mount --bind "$PYTHON" "$STAGE"; mount -t tmpfs -o mode=755 none "$HIDDEN"
  mkdir -p "$PYTHON"; mount --move "$STAGE" "$PYTHON"
fi
cd "$1"; shift
umask 077
exec setpriv --reuid={user} --regid={user} --clear-groups "$@"
"""

WITHOUT_LOCKS = """
import errno, fcntl

def flock(*_):
    raise OSError(errno.ENOLCK, "No locks available")

fcntl.flock = flock
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="places-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_a_project_works_in_a_place_that_is_unkind_in_every_way(place: Path) -> None:
    hidden = next(
        (str(one) for one in reversed(Path(sys.base_prefix).parents) if not one.stat().st_mode & 1), ""
    )
    if not os.access(ROOT, os.R_OK) or any(not one.stat().st_mode & 1 for one in (ROOT, *ROOT.parents)):
        pytest.skip(f"another user may not read {ROOT}")
    photos, home = place / NAME / "photos", place / "read-only home"
    temporary = place / ("t" * 100) / "tmp äö #"
    project = place / NAME / ("x" * 120) / "my project ü"
    assert len(str(project)) > 170
    for folder in (home, temporary, project):
        folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(40):
        file = photos / ("Kätzchen", "dög #2 100%")[number % 2] / f"bild é{number} '\"#?.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(file)
    for folder in (photos, *photos.iterdir(), home):
        folder.chmod(0o555)
    (place / "site").mkdir()
    (place / "site" / "sitecustomize.py").write_text(WITHOUT_LOCKS)
    for folder in (project, temporary):
        os.chown(folder, int(USER), int(USER))

    def run(*command: str) -> str:
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", SETTING.format(user=USER), "sh", str(project), *command],
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(home),
                "TMPDIR": str(temporary),
                "PYTHONPATH": str(place / "site"),
                **{"LC_ALL": "POSIX", "PYTHONUTF8": "0", "OMP_NUM_THREADS": "1"},
                **{"HIDDEN": hidden, "PYTHON": sys.base_prefix, "STAGE": str(place / "stage")},
            },
            capture_output=True,
            check=False,
        )
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, said
        assert "Traceback" not in said
        return said

    run("dino-pipeline", "init", ".", "--images", str(photos), "--hours", "0.001", "--name", "p")
    values = ["pretrain.batch_size=8", "pretrain.epochs=1", "monitoring.num_trial_steps=0"]
    said = run(
        "kedro",
        "run",
        "--env=p",
        "--pipeline=pretrain",
        f"--params={','.join(values)},launch.loader_workers=1",
    )
    warnings = [line for line in said.splitlines() if "WARNING" in line]
    assert len(warnings) == 1, said
    assert "no file locks (No locks available)" in warnings[0]
    manifest = pd.read_parquet(project / "data" / "03_primary" / "p" / "manifest.parquet")
    assert sorted(manifest["path"]) == sorted(str(file) for file in photos.rglob("*.png"))
    assert (project / "mlruns" / "mlflow.db").is_file()
    run("dino-pipeline", "embed", str(photos), "--model", "p", "--output", "out é #.parquet")
    embedded = pd.read_parquet(project / "out é #.parquet")
    assert sorted(embedded["path"]) == sorted(str(file.relative_to(photos)) for file in photos.rglob("*.png"))

    public = [str(file.relative_to(project)) for file in project.rglob("*") if file.stat().st_mode & 0o077]
    assert not public, "a mask of 077 holds for all that is written"
    assert not list(home.iterdir())
    assert {one.name for one in place.iterdir()} <= {NAME, home.name, "t" * 100, "site", "stage"}
