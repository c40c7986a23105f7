"""A command works in a locale of another alphabet, and for a user without a home or a name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from dino_pipeline.workspace.environment import complete_environment

complete_environment()
name = sys.argv[1]
open(name, "w").write(name)
print(name, os.environ["HOME"], os.environ.get("LOGNAME"), sys.flags.utf8_mode)
"""
NAME = "Größe 犬.txt"


def run(script: Path, **environment: str) -> list[str]:
    script.parent.mkdir(exist_ok=True)
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), NAME],
        env={"PATH": os.environ["PATH"], "HOME": "/", "LOGNAME": "me", **environment},
        cwd=script.parent,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n").rsplit(" ", 3)


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "C"}])
@pytest.mark.parametrize("script", ["kedro", "dino-pipeline", "dino_pipeline/__main__.py"])
def test_names_outside_the_locale_are_written_and_shown(
    script: str, locale: dict[str, str], tmp_path: Path
) -> None:
    shown = run(tmp_path / script, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", **locale)
    assert shown == [NAME, "/", "me", "1"]
    written = (tmp_path / script).parent / NAME
    assert written.read_text(encoding="utf-8") == NAME


def test_another_program_keeps_its_mode(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run(tmp_path / "mine.py", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become a user without a name")
def test_a_user_without_a_home_or_a_name_gets_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number."""
    from dino_pipeline.workspace.environment import complete_environment

    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kedro", "run"])
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(54321)
        complete_environment()
        os.write(writer, f"{Path('~').expanduser()} {os.environ['LOGNAME']}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read() == "/nonexistent user-54321"
