"""A syntax digest is equal on every version of Python. What it leaves out, test_fingerprint.py shows on the core."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dino_pipeline.dino.training import syntax_digest as module
from dino_pipeline.dino.training.syntax_digest import syntax_digest

FIXTURE = Path(__file__).with_name("syntax_fixture.py.txt")
# Written by Python 3.11; 3.12 and 3.13 give the same.
FIXTURE_DIGEST = "45539be17e65a4f3d3629db8ed201e9badfd72446de6437b1b574468a4aa47af"


def test_a_syntax_tree_has_one_digest_on_every_version_of_python() -> None:
    assert syntax_digest(FIXTURE.read_text()) == FIXTURE_DIGEST


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_versions_of_python_that_are_installed_agree(version: str, tmp_path: Path) -> None:
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"there is no Python {version} here; the stored digest is what counts")
    alone = tmp_path / "alone.py"
    call = "\nimport sys\nprint(syntax_digest(open(sys.argv[1]).read()), end='')\n"
    alone.write_text(Path(module.__file__).read_text() + call)
    printed = subprocess.run([python, alone, FIXTURE], capture_output=True, text=True, check=True).stdout
    assert printed == FIXTURE_DIGEST
