"""What the fault-injection suite shares: the tiny training of the library's own tests, and a record of outcomes."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dino.conftest import make_spec, tiny_manifest

__all__ = ["make_spec", "tiny_manifest"]

Record = Callable[[list[dict[str, object]]], None]
_ROOT = Path(__file__).parents[2]
_outcomes: list[dict[str, str]] = []


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Keep what came of kills, once all is compared: each has `during`, `kill` and `outcome`."""

    def note(outcomes: list[dict[str, object]]) -> None:
        for outcome in outcomes:
            _outcomes.append(
                {"case": request.node.name, **{name: str(value) for name, value in outcome.items()}}
            )
        if os.environ.get("FAULTS_RESULTS"):
            _write(Path(os.environ["FAULTS_RESULTS"]))

    return note


def _write(file: Path) -> None:
    """Replace this session's cases in the file, which several sessions fill, as each of pytest's workers is one."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=_ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    ours = {outcome["case"] for outcome in _outcomes}
    with file.open("a+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)  # until it is closed
        before = json.loads(text)["outcomes"] if (text := file.read_text()) else []
        kept = [outcome for outcome in before if outcome["case"] not in ours]
        outcomes = [*kept, *({**outcome, "commit": commit} for outcome in _outcomes)]
        file.write_text(json.dumps({"python": sys.version.split()[0], "outcomes": outcomes}, indent=1) + "\n")
