"""Say where the time of `kedro run` goes when there is nothing to train: python benchmarks/start_up.py.

The recipe smoke in a clone of this project: a first run trains and makes MLflow's database, those after find both.
A stage lasts from its line in the log to the next stage's; the start of Python and Kedro is before the first.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from side_by_side import arguments, this_machine, write

PROJECT = Path(__file__).parents[1]
STAGE = re.compile(r"INFO ([a-z][a-z ]*) \.\.\.$")
APART = ("pretrain", "draw report")  # shown, and not part of the floor
FLOOR = 15.0  # seconds


def run_smoke(project: Path) -> dict[str, float]:
    """Seconds of each stage of one `kedro run`, and of the start before them."""
    stages: dict[str, float] = {}
    current, since = "start", time.perf_counter()
    command = [str(Path(sys.executable).with_name("kedro")), "run", "--env=smoke"]
    with subprocess.Popen(
        command,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = STAGE.search(line.rstrip())
            if found:
                now = time.perf_counter()
                stages[current] = stages.get(current, 0.0) + now - since
                current, since = found.group(1), now
    stages[current] = stages.get(current, 0.0) + time.perf_counter() - since
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return stages


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__, num_rounds=5).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(project)], check=True)
        first = run_smoke(project)
        rounds = [run_smoke(project) for _ in range(options.num_rounds)]
    medians = {stage: statistics.median(r.get(stage, 0.0) for r in rounds) for stage in rounds[0]}
    counted = [sum(seconds for stage, seconds in r.items() if stage not in APART) for r in rounds]
    result: dict[str, Any] = {
        "what": "kedro run with nothing to train",
        "work": "recipe smoke, model trained and MLflow's database there",
        "seconds_of_a_stage": {stage: round(seconds, 2) for stage, seconds in medians.items()},
        "seconds_of_a_stage_in_the_first_run": {stage: round(seconds, 2) for stage, seconds in first.items()},
        "apart": list(APART),
        "seconds_without_those_apart": round(statistics.median(counted), 2),
        "range": [round(min(counted), 2), round(max(counted), 2)],
        "floor_seconds": FLOOR,
        **this_machine(),
    }
    for stage, seconds in result["seconds_of_a_stage"].items():
        sys.stderr.write(f"{stage:32}{seconds:8.2f} s{'   (apart)' if stage in APART else ''}\n")
    sys.stderr.write(
        f"{'without those apart':32}{result['seconds_without_those_apart']:8.2f} s (floor {FLOOR} s)\n"
    )
    write(result, options)


if __name__ == "__main__":
    main()
