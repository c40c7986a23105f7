"""Do memory and open files stay flat in a long training? python benchmarks/endurance.py --minutes=30

Needs the manifest of base (kedro run --env=base --pipeline=ingest). Trains the network of base under torchrun
on two processes with two loader workers each, writes a checkpoint every 50 steps, and samples every process
every five seconds. Slopes are Theil-Sen's, the median of all pairs' (the online evaluation opens a dozen files for a
second, which would tilt least squares), over the second half of the time: of the memory a process holds (RSS,
shared pages counted in full) and of its open files. Writes benchmarks/results/endurance.json.
"""

import argparse
import json
import logging
import os
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.stats import theilslopes

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.history import HISTORY, read_rows
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.recipes.reading import recipe_parameters

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "data" / "03_primary" / "base" / "manifest.parquet"
RESULTS = ROOT / "benchmarks" / "results" / "endurance.json"
SECONDS_BETWEEN = 5.0
EPOCHS = 100_000  # more than any --minutes
WATCHED = {"checkpoint_every_steps": 50, "evaluate_every_epochs": 2, "log_every_steps": 10}
LAUNCHED = {"cpu_processes": 2, "loader_workers": 2}


def sample(process: psutil.Process) -> tuple[str, float, int]:
    """What it is, the MB it holds and how many files it has open."""
    return _kind(" ".join(process.cmdline())), process.memory_info().rss / 2**20, process.num_fds()


def _kind(command: str) -> str:
    names = {"launching.agent": "agent", "training.worker": "worker", "benchmarks/endurance.py": "launcher"}
    return next((kind for part, kind in names.items() if part in command), command[:60])


class TimeIsUp(Exception):  # noqa: N818  an end, not an error
    """Ends the training."""


class Sampler(threading.Thread):
    """Samples this process and its descendants until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.samples: dict[int, list[tuple[float, float, int]]] = defaultdict(list)
        self.kinds: dict[int, str] = {}
        self.started = time.monotonic()

    def run(self) -> None:
        while not self.stop.wait(SECONDS_BETWEEN):
            this = psutil.Process()
            for process in (this, *this.children(recursive=True)):
                try:
                    kind, megabytes, files = sample(process)
                except psutil.NoSuchProcess:
                    continue  # it ended while it was looked at
                self.kinds.setdefault(process.pid, kind)  # a process that has ended has no command any more
                self.samples[process.pid].append((time.monotonic() - self.started, megabytes, files))


def slopes(samples: list[tuple[float, float, int]], until: float) -> dict[str, float] | None:
    """Growth an hour over the second half of the run; None of a process that was not there for all of it."""
    rows = np.array([row for row in samples if row[0] >= until / 2])
    if len(rows) < 3 or rows[0, 0] > until / 2 + 3 * SECONDS_BETWEEN or rows[-1, 0] < 0.9 * until:
        return None
    hours = rows[:, 0] / 3600
    memory, files = (float(theilslopes(rows[:, column], hours).slope) for column in (1, 2))
    return {
        "megabytes_an_hour": round(memory, 2),
        "files_an_hour": round(files, 3),
        "first_megabytes": round(rows[0, 1], 1),
        "last_megabytes": round(rows[-1, 1], 1),
        "last_files": int(rows[-1, 2]),
    }


def measure(minutes: float) -> dict[str, Any]:
    """Train as long, and report the slopes of every process that was there throughout."""
    parameters = recipe_parameters("base", {"pretrain": {"epochs": EPOCHS}})
    pretrain = from_dict(PretrainConfig, parameters["pretrain"])
    images = read_manifest(MANIFEST, ROOT)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    sampler = Sampler()

    def end_after_minutes() -> None:
        if time.monotonic() - sampler.started > 60 * minutes:
            sampler.stop.set()  # before the processes are ended
            sampler.join()
            raise TimeIsUp

    with tempfile.TemporaryDirectory() as folder:
        spec = TrainingSpec(
            fingerprint=fingerprint(pretrain, images),
            recipe="base",
            manifest=str(MANIFEST),
            image_root=str(ROOT),
            folder=folder,
            pretrain=pretrain,
            monitoring=from_dict(MonitoringConfig, parameters["monitoring"] | WATCHED),
            launch=from_dict(LaunchConfig, parameters["launch"] | LAUNCHED),
        )
        sampler.start()
        with suppress(TimeIsUp):
            launch(spec, on_progress=end_after_minutes)
        lasted = 60 * minutes
        last = read_rows(Path(folder) / HISTORY)[-1]
    processes = [
        {"process": sampler.kinds[process], **found}
        for process, samples in sampler.samples.items()
        if (found := slopes(samples, lasted))
    ]
    return {
        "commit": commit,
        "minutes": minutes,
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "steps": int(last["step"]),
        "checkpoints": int(last["step"]) // WATCHED["checkpoint_every_steps"],
        "processes": processes,
    }


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    RESULTS.write_text(json.dumps(measure(options.minutes), indent=1) + "\n")


if __name__ == "__main__":
    main()
