"""Whenever the signal comes, a process that stopped on request ends with the status that says so."""

import signal
import subprocess
import sys

import pytest

from dino_pipeline.dino.launching.bound import STOPPED

# Module globals are torn down after python has given its signal handlers back.
SIGNALLED_WHILE_SHUTTING_DOWN = """
import os, signal, sys
from dino_pipeline.dino.launching.bound import STOPPED
from dino_pipeline.dino.launching.stop import StopRequest

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=int(sys.argv[1])):
        kill(pid, number)

late = Late()
stop = StopRequest(grace_seconds=60)
os.kill(os.getpid(), int(sys.argv[1]))
assert stop.agreed()
stop.close()
sys.exit(STOPPED)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_while_python_shuts_down_does_not_change_the_status(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SIGNALLED_WHILE_SHUTTING_DOWN, str(number.value)]
    assert subprocess.run(command, check=False).returncode == STOPPED
