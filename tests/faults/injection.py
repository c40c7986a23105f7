"""Real signals to real processes: a command, all that it starts, and one of them ended at a seeded moment."""

import hashlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
PLANTED = "DINO_FAULTS_CASE"  # inherited by every process that a command starts, however deep
_PATIENCE = 600.0  # seconds, on a machine that does much else


@dataclass(frozen=True)
class Kill:
    """Who is ended, how, and how long after the moment that a case waits for."""

    victim: str  # parent: the command itself | agent: torchrun | worker: one of its processes
    number: signal.Signals
    delay: float  # seconds

    @property
    def is_lost_worker(self) -> bool:
        """Which torchrun mends by itself."""
        return self.victim == "worker" and self.number == signal.SIGKILL

    def __str__(self) -> str:
        return f"{self.number.name} to {self.victim}"


class Started:
    """A command whose processes can be told from all others."""

    def __init__(self, command: Sequence[str], *, folder: Path, log: Path, **environment: str) -> None:
        self.token = uuid.uuid4().hex
        self.log = log
        with log.open("w") as opened:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {PLANTED: self.token, "OMP_NUM_THREADS": "1"} | environment,
                stdout=opened,
                stderr=subprocess.STDOUT,
                # a shell's background job ignores Ctrl-C, and all that it starts
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def running(self) -> dict[int, str]:
        """Command lines by process id."""
        planted = f"{PLANTED}={self.token}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if planted in (entry / "environ").read_bytes().split(b"\0"):
                        found[int(entry.name)] = (
                            (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                        )
                except OSError:
                    continue  # ended meanwhile
        return found

    def strike(self, kill: Kill, when: Callable[[], bool]) -> str:
        """End the victim after the moment; what came of it, with no process left.

        Raises:
            AssertionError: something still runs a minute later, or the command claims to have succeeded.
        """
        wait_for(lambda: when() or self.process.poll() is not None, "the moment of the kill", pause=0.001)
        time.sleep(kill.delay)
        victims = [self.process.pid] if kill.victim == "parent" else self._parts(kill.victim)
        if self.process.poll() is not None or not victims:
            self.end()
            return "ended before the kill"
        os.kill(victims[-1], kill.number)
        status = self.end()
        if kill.is_lost_worker:
            assert status == 0, self.words()
            return "went on by itself"
        return "stopped" if status else "ended before the kill"

    def end(self) -> int:
        """Wait for the end of the command and of all that it started; its exit status."""
        status = self.process.wait(_PATIENCE)
        wait_for(lambda: not self.running(), lambda: f"processes outlive it: {self.running()}", patience=90.0)
        return status

    def words(self) -> str:
        """What it said."""
        return self.log.read_text(errors="replace")

    def _parts(self, victim: str) -> list[int]:
        # The agent's command line names the worker's module too.
        agents = {pid for pid, line in self.running().items() if ".launching.agent" in line}
        workers = {pid for pid, line in self.running().items() if ".worker " in line} - agents
        return sorted(agents if victim == "agent" else workers)


def wait_for(
    happened: Callable[[], bool],
    what: str | Callable[[], str],
    *,
    patience: float = _PATIENCE,
    pause: float = 0.1,
) -> None:
    """Wait until something has happened.

    Raises:
        AssertionError: it never does.
    """
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, what if isinstance(what, str) else what()
        time.sleep(pause)


def hashes(files: Iterable[Path], *, root: Path) -> dict[str, str]:
    """sha256 by name below the root."""
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def clone_with_images(folder: Path) -> Path:
    """A clone of what is committed, with forty images of its own below data/01_raw/tiles."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    for index in range(40):
        pixels = np.random.default_rng(index).integers(0, 256, (24, 28, 3), dtype=np.uint8)
        pixels[:, :, index % 3] //= 2 + index % 4
        tiles = folder / "data" / "01_raw" / "tiles" / f"class {index % 2}"
        tiles.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tiles / f"{index}.png")
    return folder
