"""A file as DVC has it at a commit, out of its cache or its remote."""

import subprocess
import sys
import tempfile
from pathlib import Path


def from_dvc(project: Path, commit: str, path: str) -> bytes | None:
    """The bytes of a tracked file; None where DVC does not track it there, or has it neither in cache nor remote.

    Args:
        path: relative to the project.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        got = subprocess.run(
            [sys.executable, "-m", "dvc", "get", "--quiet", ".", path, "--rev", commit, "--out", str(target)],
            cwd=project,
            capture_output=True,
            check=False,
        )
        return target.read_bytes() if got.returncode == 0 and target.is_file() else None
