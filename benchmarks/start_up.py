"""Time commands that have nothing left to do: python benchmarks/start_up.py.

A clone of this project runs the demo once, which trains. Then the commands run in turns. `--project=.` takes a project
whose demo is trained instead. A floor is a number of seconds; for commands that use a model, it is 1.5 times importing
kedro, mlflow and torch in the same run where that is more.
"""

import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from side_by_side import arguments, report, take_turns

PROJECT = Path(__file__).parents[1]
IMPORTS = "import kedro, mlflow, torch"
TIMES_IMPORTS = 1.5
REGISTRY, HELP, EMBED = "kedro registry list", "dino-pipeline --help", "dino-pipeline embed, one image"
PRETRAIN, RUN = "kedro run --pipeline=pretrain, model trained", "kedro run, nothing changed"
FLOORS = {REGISTRY: 1.5, HELP: 0.5, EMBED: 4.0, PRETRAIN: 7.0, RUN: 12.0}  # seconds
USE_A_MODEL = (EMBED, PRETRAIN, RUN)
FIRST_RUN, PROBE = "kedro run, the first", "its linear probe"
FIRST_FLOORS = {FIRST_RUN: 300.0, PROBE: 8.0}  # seconds
STAGE = re.compile(r"INFO ([a-z][a-z ]*) \.\.\.$")


def first_run(project: Path, env: list[str]) -> dict[str, float]:
    """Seconds of each stage of one `kedro run`, from its line in the log to the next stage's, and of the start."""
    stages: dict[str, float] = {}
    current, since = "start", time.perf_counter()
    with subprocess.Popen(
        [tool("kedro"), "run", *env],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stderr.write(line)
            found = STAGE.search(line.rstrip())
            if found:
                now = time.perf_counter()
                stages[current] = stages.get(current, 0.0) + now - since
                current, since = found.group(1), now
    stages[current] = stages.get(current, 0.0) + time.perf_counter() - since
    if process.returncode:
        raise RuntimeError(f"kedro run ended with {process.returncode}")
    return stages


def tool(name: str) -> str:
    """A command of this Python's environment."""
    return str(Path(sys.executable).with_name(name))


def commands(project: Path, env: list[str], scratch: Path) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    images = scratch / "images"
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(images / "one.png")
    outputs = (str(scratch / f"{number}.parquet") for number in itertools.count())
    recipe = env[0].partition("=")[2] if env else "base"

    def run(*command: str) -> None:
        subprocess.run(command, cwd=project, check=True, capture_output=True)

    return {
        IMPORTS: lambda: run(sys.executable, "-c", IMPORTS),
        REGISTRY: lambda: run(tool("kedro"), "registry", "list"),
        HELP: lambda: run(tool("dino-pipeline"), "--help"),
        EMBED: lambda: run(
            tool("dino-pipeline"), "embed", str(images), f"--model={recipe}", f"--output={next(outputs)}"
        ),
        PRETRAIN: lambda: run(tool("kedro"), "run", "--pipeline=pretrain", *env),
        RUN: lambda: run(tool("kedro"), "run", *env),
    }


def against_floor(name: str, seconds: float, floor: float) -> dict[str, Any]:
    """Whether a floor holds."""
    return {
        "what": name,
        "seconds": round(seconds, 2),
        "floor": round(floor, 2),
        "holds": seconds <= floor,
    }


def main() -> None:
    """Measure and report."""
    parser = arguments(__doc__)
    parser.add_argument("--project", type=Path, help="a project whose demo is trained (a clone trains one)")
    options = parser.parse_args()
    env = ["--env=smoke"] if options.tiny else []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        stages: dict[str, float] = {}
        if options.project:
            project = options.project.resolve()
        else:
            project = scratch / "project"
            subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(project)], check=True)
            stages = first_run(project, env)
        timings = take_turns(commands(project, env, scratch), options.num_rounds)
    medians = {name: statistics.median(t.wall for t in rounds) for name, rounds in timings.items()}
    rows = [
        against_floor(
            name, medians[name], max(floor, TIMES_IMPORTS * medians[IMPORTS] if name in USE_A_MODEL else 0)
        )
        for name, floor in FLOORS.items()
    ]
    if stages:
        probe = sum(seconds for stage, seconds in stages.items() if "probe" in stage)
        first = {FIRST_RUN: sum(stages.values()), PROBE: probe}
        rows += [against_floor(name, first[name], floor) for name, floor in FIRST_FLOORS.items()]
    report(
        "start-up",
        timings,
        [],
        options,
        work="the recipe smoke" if options.tiny else "the demo, model trained",
        more={
            "floors": rows,
            "seconds_of_a_stage_in_the_first_run": {stage: round(s, 2) for stage, s in stages.items()},
        },
    )
    for row in rows:
        word = "holds" if row["holds"] else "MISSED"
        sys.stderr.write(f"{row['what']:44}{row['seconds']:8.2f} s, floor {row['floor']:.2f} s: {word}\n")


if __name__ == "__main__":
    main()
