"""Kills drawn over the whole life of a command: `python -m tests.faults.random_kills --kills 100 --seed 18`.

It clones what is committed, trains and evaluates forty tiny images undisturbed, and then starts the same commands again
and again. Each gets one signal at a random moment of its life. Afterwards every process must be gone within seconds,
and what the command said must be true. The command that follows continues. When it comes to its end, its products must
have the bits of the undisturbed ones. What is otherwise is kept as a `problem`. The outcomes are added to those in
benchmarks/results/random_kills.json, and the table of all goes to standard output.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from .injection import ROOT, Started, clone_with_images, hashes, wait_for

RESULTS = ROOT / "benchmarks" / "results" / "random_kills.json"
ROLES = ("parent", "agent", "worker", "loader worker")
SECONDS_TO_GO_ON = 300.0
SECONDS_TO_END = 45.0  # of all processes after a kill, on a machine that does much else; grace_seconds is 20
PARAMETERS: Mapping[str, Any] = {
    "pretrain.batch_size": 8,
    "pretrain.epochs": 12,
    "monitoring.checkpoint_every_steps": 5,
    "monitoring.num_trial_steps": 0,
    "launch.loader_workers": 1,
    "launch.grace_seconds": 20,
    "extract.cpu_processes": 2,
    "extract.num_workers": 1,
}
# A command, and the layers that it makes.
COMMANDS = {"pretrain": ("06_models",), "probe": ("04_feature", "07_model_output")}
# What a command says after a signal to one of its processes; its own exit status is checked beside it.
WORDS = {
    ("agent", "SIGKILL"): "torchrun's process was ended by SIGKILL",
    ("loader worker", "SIGKILL"): "a loader worker was killed",
}


class Project(NamedTuple):
    """A clone with its images."""

    folder: Path

    def start(self, pipeline: str) -> Started:
        options = ",".join(f"{name}={value}" for name, value in self.parameters.items())
        kedro = Path(sys.executable).with_name("kedro")
        command = [str(kedro), "run", "--env=smoke", f"--pipeline={pipeline}", f"--params={options}"]
        return Started(command, folder=self.folder, log=self.folder / "run.log")

    @property
    def parameters(self) -> dict[str, Any]:
        return {"ingest.source": self.folder / "data" / "01_raw" / "tiles", **PARAMETERS}

    def products(self, pipeline: str) -> dict[str, str]:
        """Hashes of what the command makes, hidden files apart."""
        files = [
            file
            for layer in COMMANDS[pipeline]
            for file in sorted((self.folder / "data" / layer / "smoke").rglob("*"))
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(self.folder).parts)
        ]
        return hashes(files, root=self.folder)

    def clear(self, pipeline: str) -> None:
        """Forget what the command has made."""
        data = self.folder / "data"
        for path in [data / layer / "smoke" for layer in COMMANDS[pipeline]] + [data / ".results"]:
            shutil.rmtree(path, ignore_errors=True)
        if pipeline == "pretrain":
            shutil.rmtree(data / "06_models" / ".in_progress", ignore_errors=True)


def processes_by_role(started: Started) -> dict[str, list[int]]:
    """The command's processes that run now."""
    found: dict[str, list[int]] = defaultdict(list)
    lines = started.running()
    workers = {pid for pid, line in lines.items() if "worker " in line and ".launching.agent" not in line}
    for pid, line in lines.items():
        try:
            parent = psutil.Process(pid).ppid()
        except psutil.NoSuchProcess:
            continue
        if pid == started.process.pid:
            found["parent"].append(pid)
        elif ".launching.agent" in line:
            found["agent"].append(pid)
        elif pid in workers:
            found["loader worker" if parent in workers else "worker"].append(pid)
    return found


def moment(started: Started, duration: float, seeded: random.Random) -> tuple[str, Callable[[], bool], float]:
    """What to wait for, and how long after it the signal comes: anywhere, while torchrun starts, or near the end."""
    kind = seeded.choice(["anywhere", "torchrun starts", "torchrun starts", "workers start", "shutdown"])
    if kind == "anywhere":
        return kind, lambda: True, seeded.uniform(0, duration)
    if kind == "torchrun starts":
        return kind, lambda: "agent" in processes_by_role(started), seeded.uniform(0, 8)
    if kind == "workers start":
        return kind, lambda: "worker" in processes_by_role(started), seeded.uniform(0, 6)
    begun = False

    def over() -> bool:
        nonlocal begun
        running = processes_by_role(started)
        begun = begun or "worker" in running
        return begun and "worker" not in running

    return kind, over, seeded.uniform(0, 2)


def during(started: Started, roles: Mapping[str, list[int]]) -> str:
    """The stage that was the last to say that it begins, and how far torchrun was."""
    begun = [line.split()[-2] for line in started.words().splitlines() if line.endswith(" ...")]
    stage = begun[-1] if begun else "starting"
    if "worker" in roles:
        return f"{stage}, workers run"
    return f"{stage}, torchrun runs" if "agent" in roles else stage


def kill_once(
    project: Project, pipeline: str, duration: float, seeded: random.Random
) -> dict[str, Any] | None:
    """Start the command, signal one of its processes, wait for the end of all. None: it was over before."""
    started = project.start(pipeline)
    kind, happened, delay = moment(started, duration, seeded)
    wait_for(lambda: happened() or started.process.poll() is not None, kind, pause=0.05)
    time.sleep(delay)
    roles = processes_by_role(started)
    present = [role for role in ROLES if role in roles]
    # Drawn in any case, so that a seed means the same draws wherever it is used.
    choice, other, is_kill = (
        seeded.random(),
        seeded.choice(["SIGTERM", "SIGINT", "SIGUSR1"]),
        seeded.random() < 0.75,
    )
    if started.process.poll() is not None or not present:
        started.end()
        return None
    role = present[int(choice * len(present))]
    number = signal.SIGKILL if is_kill else signal.Signals[other]
    where = during(started, roles)
    struck = time.monotonic()
    try:
        os.kill(roles[role][int(choice * 1000) % len(roles[role])], number)
    except ProcessLookupError:
        started.end()
        return None
    problem, others_ended = "", None
    while started.process.poll() is None or started.running():
        seconds = time.monotonic() - struck
        if others_ended is None and not set(started.running()) - {started.process.pid}:
            others_ended = seconds
        # A lost worker is replaced, and the command goes on to its end.
        goes_on = role in ("worker", "loader worker") and number == signal.SIGKILL
        if seconds > (SECONDS_TO_GO_ON if goes_on else SECONDS_TO_END):
            problem = f"still running: {started.running()}"
            for pid in started.running():
                os.kill(pid, signal.SIGKILL)
            started.process.wait()
        time.sleep(0.2)
    seconds = time.monotonic() - struck
    status, words = started.process.returncode, started.words()
    expected = WORDS.get((role, number.name), "")
    if not problem and ("Traceback" in words or (status and expected not in words)):
        problem = words
    outcome = f"ended with {status}" if status else "went on to its end"
    return {
        "command": pipeline,
        "during": where,
        "role": role,
        "signal": number.name,
        "outcome": outcome,
        "status": status,
        "problem": problem,
        "seconds": round(seconds, 1),
        "others_ended": round(seconds if others_ended is None else others_ended, 1),
        "said": words.strip().splitlines()[-1][:300] if status and words.strip() else "",
    }


def table(results: Path = RESULTS) -> str:
    """One row for each moment, process and signal."""
    outcomes = json.loads(results.read_text())
    counts = Counter((one["during"], f"{one['signal']} to {one['role']}", one["outcome"]) for one in outcomes)
    slowest: dict[tuple[str, str, str], float] = defaultdict(float)
    for one in outcomes:
        key = (one["during"], f"{one['signal']} to {one['role']}", one["outcome"])
        slowest[key] = max(slowest[key], one["seconds"])
    rows = [
        f"| {where} | {kill} | {number} | {outcome} | "
        + (f"{slowest[(where, kill, outcome)]:.1f} |" if outcome != "went on to its end" else "|")
        for (where, kill, outcome), number in sorted(counts.items())
    ]
    commits = sorted({one["commit"][:12] for one in outcomes})
    problems = sum(bool(one["problem"]) for one in outcomes)
    head = [
        f"{len(outcomes)} kills, at {', '.join(commits)}; with a problem: {problems}.",
        "",
        "| during | kill | kills | the command | all ended after, s |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def main() -> None:
    """Kill until so many kills have landed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--pipelines", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    seeded = random.Random(arguments.seed)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    earlier = json.loads(arguments.results.read_text()) if arguments.results.is_file() else []
    outcomes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="random-kills-") as name:
        project = Project(clone_with_images(Path(name) / "clone"))
        undisturbed, durations = {}, {}
        for pipeline in arguments.pipelines:
            begun = time.monotonic()
            started = project.start(pipeline)
            assert started.end() == 0, started.words()
            durations[pipeline] = time.monotonic() - begun
            undisturbed[pipeline] = project.products(pipeline)
            assert undisturbed[pipeline], started.words()
        while len(outcomes) < arguments.kills:
            pipeline = seeded.choice(arguments.pipelines)
            project.clear(pipeline)
            for _ in range(10):
                outcome = kill_once(project, pipeline, durations[pipeline], seeded)
                half = {
                    name
                    for name, digest in project.products(pipeline).items()
                    if undisturbed[pipeline].get(name) != digest
                }
                if outcome:
                    outcome["problem"] = outcome["problem"] or (f"other bits: {half}" if half else "")
                    outcomes.append({**outcome, "commit": commit})
                    sys.stderr.write(f"{len(outcomes)}: {json.dumps(outcome)}\n")
                if outcome is None or len(outcomes) == arguments.kills:
                    break
            started = project.start(pipeline)
            assert started.end() == 0, started.words()
            if project.products(pipeline) != undisturbed[pipeline]:
                outcomes[-1]["problem"] += "the command that followed made other bits"
            arguments.results.write_text(json.dumps([*earlier, *outcomes], indent=1) + "\n")
    sys.stdout.write(table(arguments.results) + "\n")


if __name__ == "__main__":
    main()
