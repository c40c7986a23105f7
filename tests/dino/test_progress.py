"""A terminal shows a bar; a log file gets plain lines after a while, and short work prints nothing."""

import logging
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from dino_pipeline.dino.launching import torchrun
from dino_pipeline.dino.progress import Progress, duration, with_progress

SCRIPT = """
import logging, sys, time
from dino_pipeline.dino.progress import Progress
if "log" in sys.argv:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
often = {} if "short" in sys.argv else {"first_seconds": 0.2, "every_seconds": 0.2}
with Progress("extract", total=1200, unit="images", **often) as progress:
    for _ in range(12):
        time.sleep(0.05)
        progress.update(100)
"""
LINE = re.compile(r"extract: ([\d,]+) of 1,200 images, [\d.e+]+ images/s, \d+ s left")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script behind real pipes, as a log file or a batch system takes its output."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )


def test_a_pipe_gets_plain_lines_at_the_given_times() -> None:
    ran = run()
    lines = ran.stderr.splitlines()
    counts = [int(LINE.fullmatch(line)[1].replace(",", "")) for line in lines]  # type: ignore[index]
    assert ran.stdout == ""
    # 12 updates in at least 0.6 s: each line is due 0.2 s after the one before.
    assert 2 <= len(lines) <= 6
    assert counts == sorted(set(counts))
    assert counts[0] < 1200


def test_the_lines_are_log_messages_where_logging_is_configured() -> None:
    ran = run("log")
    assert ran.stderr == ""
    assert all(LINE.fullmatch(line.removeprefix("INFO ")) for line in ran.stdout.splitlines())
    assert "INFO extract" in ran.stdout


def test_short_work_prints_nothing() -> None:
    ran = run("short", "log")
    assert ran.stdout + ran.stderr == ""


def test_of_several_workers_only_rank_0_prints() -> None:
    assert run(RANK="1").stderr == ""
    assert "extract" in run(RANK="0").stderr


def test_a_terminal_shows_a_bar_and_no_line() -> None:
    terminal, screen = pty.openpty()
    termios.tcsetwinsize(screen, (24, 80))
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, "log"], stderr=screen, stdout=subprocess.PIPE)
    os.close(screen)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # Linux: the other end is closed
        pass
    finally:
        os.close(terminal)
    assert process.communicate(timeout=30)[0] == b""
    assert process.returncode == 0
    assert b"\rextract:" in shown
    assert b"1200/1200" in shown
    assert LINE.search(shown.decode()) is None


def test_lines_of_workers_reach_the_output_of_the_launcher(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spec.json").write_text("{}")
    with caplog.at_level(logging.INFO):
        torchrun.run(
            "tests.dino.counting_worker",
            tmp_path / "spec.json",
            num_processes=2,
            threads_per_process=1,
            max_restarts=0,
            grace_seconds=5,
            stall_minutes=10,
            log=tmp_path / "workers.log",
            on_progress=lambda: None,
        )
    lines = [message for message in caplog.messages if message.startswith("count")]
    assert lines[0].startswith("count: 1 of 3 steps")
    assert len(lines) == 3  # the second worker is silent


def test_a_line_has_the_values_and_the_newest_total(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO),
        Progress("pretrain", total=100, unit="steps", first_seconds=0, every_seconds=0) as progress,
    ):
        progress.refresh()
        progress.show({"loss": "5.1", "images/s": "210"})
        progress.move_to(10, total=50)
        progress.move_to(50)
    assert caplog.messages[0] == "pretrain: 0 of 100 steps"
    assert caplog.messages[1] == "pretrain: 10 of 50 steps, loss 5.1, images/s 210"  # no rate from one update
    assert caplog.messages[2] == "pretrain: 50 of 50 steps, loss 5.1, images/s 210, 0 s left"


def test_items_come_in_order_and_a_broken_loop_ends_quietly() -> None:
    assert list(with_progress("abc", "read", unit="letters")) == ["a", "b", "c"]
    for letter in with_progress("abc", "read", unit="letters"):
        assert letter == "a"
        break


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (60 * 89, "89 min"),
        (3600 * 3 + 60 * 20, "3 h 20 min"),
        (3600 * 52, "2 d 4 h"),
    ],
)
def test_times_are_said_in_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words
