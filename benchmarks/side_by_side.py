"""Competitors measured in turns in one run, told as a table and as JSON with the machine and the versions.

On a busy machine the wall clock tells of the neighbours too: CPU seconds, of this process and of those it started and
that have ended, are kept beside it. A ratio is the median over rounds of two times of the same round.
"""

import argparse
import gc
import importlib.util
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "simplejpeg",
    "lightly",
    "faiss-cpu",
)


class Floor(NamedTuple):
    """At least so many times faster than a competitor should ours be."""

    ours: str
    over: str
    times: float


class Products(NamedTuple):
    """What a call multiplies, and how fast this machine multiplies matrices of its shape."""

    shape: tuple[int, int, int]  # rows, inner, columns
    flops: float  # of one call
    gflops_per_cpu_second: dict[str, float]  # by library and precision: "numpy fp32"

    def share(self, name: str, cpu_seconds: float) -> float:
        """The share of the best rate at a competitor's precision that it reaches; bf16 stands in its name or fp32."""
        best = max(rate for by, rate in self.gflops_per_cpu_second.items() if "bf16" in name or "fp32" in by)
        return self.flops / 1e9 / cpu_seconds / best


class Timing(NamedTuple):
    """Of one call, in seconds."""

    wall: float
    cpu: float


def timed(call: Callable[[], object]) -> Timing:
    """Call it once."""
    gc.collect()
    cpu, wall = _cpu_seconds(), time.perf_counter()
    call()
    return Timing(time.perf_counter() - wall, _cpu_seconds() - cpu)


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@contextmanager
def bare_main() -> Iterator[None]:
    """Worker processes import the main module again: a benchmark's brings torch, that of `kedro run` nearly nothing."""
    own = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = own


def not_comparable(names: Iterable[str]) -> dict[str, str]:
    """Which competitors say bf16 in their names while this CPU has no instructions for it, and so what to skip."""
    if multiplies_bfloat16("cpu"):
        return {}
    return {
        name: "not comparable: this CPU has no avx512_bf16, and bfloat16 takes it many times as long as float32"
        for name in names
        if "bf16" in name
    }


def take_turns(competitors: Mapping[str, Callable[[], object]], num_rounds: int) -> dict[str, list[Timing]]:
    """Each competitor once a round, after one call that warms it up and is not counted."""
    for call in competitors.values():
        call()
    timings: dict[str, list[Timing]] = {name: [] for name in competitors}
    for _ in range(num_rounds):
        for name, call in competitors.items():
            timings[name].append(timed(call))
    return timings


def times_faster(timings: Mapping[str, list[Timing]], floor: Floor) -> dict[str, Any]:
    """How the floor fares, by the clock and by CPU seconds, with the range over rounds."""
    ratios = {
        clock: [
            getattr(theirs, clock) / getattr(ours, clock)
            for theirs, ours in zip(timings[floor.over], timings[floor.ours], strict=True)
        ]
        for clock in Timing._fields
    }
    return {
        "ours": floor.ours,
        "over": floor.over,
        "floor": floor.times,
        **{f"times_faster_{clock}": round(statistics.median(values), 2) for clock, values in ratios.items()},
        **{f"range_{clock}": [round(min(v), 2), round(max(v), 2)] for clock, v in ratios.items()},
    }


def measure_products(
    shape: tuple[int, int, int], flops: float, num_threads: int, num_rounds: int = 5
) -> Products:
    """The best rates of torch, numpy and faiss at [rows, inner] x [inner, columns], each in turns."""
    rows, inner, columns = shape
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(n, inner, generator=generator) for n in (rows, columns))
    short = [part.bfloat16() for part in (left, right)]
    products, short_products = torch.empty(rows, columns), torch.empty(rows, columns, dtype=torch.bfloat16)
    numpy_products = np.empty((rows, columns), np.float32)
    calls: dict[str, Callable[[], object]] = {
        "torch fp32": lambda: torch.mm(left, right.T, out=products),
        "numpy fp32": lambda: np.matmul(left.numpy(), right.numpy().T, out=numpy_products),
    }
    if multiplies_bfloat16("cpu"):
        calls["torch bf16"] = lambda: torch.mm(short[0], short[1].T, out=short_products)
    if importlib.util.find_spec("faiss"):
        import faiss

        faiss.omp_set_num_threads(num_threads)
        index = faiss.IndexFlatIP(inner)
        index.add(left.numpy())
        calls["faiss fp32"] = lambda: index.search(right.numpy(), 1)
    seconds = {name: min(t.cpu for t in of) for name, of in take_turns(calls, num_rounds).items()}
    rates = {name: round(2e-9 * rows * inner * columns / max(s, 1e-6), 1) for name, s in seconds.items()}
    return Products(shape, flops, rates)


def operators(call: Callable[[], object]) -> dict[str, float]:
    """Shares of torch's operators in the CPU seconds of one call, the largest first, down to a hundredth."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        call()
    seconds = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    total = sum(seconds.values())
    shares = {name: round(own / total, 3) for name, own in seconds.items() if own >= total / 100}
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


def arguments(description: str | None, *, num_rounds: int = 11) -> argparse.ArgumentParser:
    """What every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--num-rounds", type=int, default=num_rounds)
    parser.add_argument("--num-threads", type=int, default=1)
    parser.add_argument("--tiny", action="store_true", help="a size that only shows that it runs")
    parser.add_argument("--output", type=Path, help="the JSON file to write (standard output)")
    return parser


def report(
    what: str,
    timings: Mapping[str, list[Timing]],
    floors: list[Floor],
    options: argparse.Namespace,
    *,
    work: str,
    skipped: Mapping[str, str] | None = None,
    products: Products | None = None,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print the table, write the JSON.

    Args:
        work: what one call does, in words.
        skipped: competitors that are not here, and why.
        products: for the share of the best product that each competitor with a precision in its name reaches.
        more: further facts for the JSON.
    """
    compared = [
        times_faster(timings, floor) for floor in floors if {floor.ours, floor.over} <= timings.keys()
    ]
    result = {
        "what": what,
        "work": work,
        "seconds": {name: _summary(rounds) for name, rounds in timings.items()},
        "compared": compared,
        "skipped": dict(skipped or {}),
        **(_shares(products, timings) if products else {}),
        **(more or {}),
        "num_rounds": options.num_rounds,
        "num_threads": options.num_threads,
        **this_machine(),
    }
    sys.stderr.write(_table(what, work, result))
    write(result, options)


def write(result: Mapping[str, Any], options: argparse.Namespace) -> None:
    """The JSON, to the file that was asked for or to standard output."""
    text = json.dumps(result, indent=2) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def _summary(rounds: list[Timing]) -> dict[str, Any]:
    return {
        clock: {
            "median": round(statistics.median(getattr(t, clock) for t in rounds), 4),
            "range": [round(extreme(getattr(t, clock) for t in rounds), 4) for extreme in (min, max)],
        }
        for clock in Timing._fields
    }


def _shares(products: Products, timings: Mapping[str, list[Timing]]) -> dict[str, Any]:
    return {
        "products": products._asdict(),
        "share_of_best_product": {
            name: round(statistics.median(products.share(name, t.cpu) for t in rounds), 2)
            for name, rounds in timings.items()
            if "bf16" in name or "fp32" in name
        },
    }


def _table(what: str, work: str, result: dict[str, Any]) -> str:
    lines = [f"\n{what}: {work}", f"{'':44}{'wall s':>10}{'CPU s':>10}"]
    for name, seconds in result["seconds"].items():
        lines.append(f"{name:44}{seconds['wall']['median']:10.3f}{seconds['cpu']['median']:10.3f}")
    for row in result["compared"]:
        lines.append(
            f"{row['ours']} over {row['over']}: {row['times_faster_cpu']:.2f} times by CPU seconds, "
            f"{row['times_faster_wall']:.2f} by the clock (floor {row['floor']})"
        )
    if "products" in result:
        lines.append(f"GFLOP a CPU second of products: {result['products']['gflops_per_cpu_second']}")
        lines += [f"{n}: {share:.2f} of the best" for n, share in result["share_of_best_product"].items()]
    for name, shares in result.get("operators", {}).items():
        lines.append(
            f"{name}: " + ", ".join(f"{by.removeprefix('aten::')} {own:.0%}" for by, own in shares.items())
        )
    lines += [f"{name} skipped: {why}" for name, why in result["skipped"].items()]
    return "\n".join(lines) + "\n"


def this_machine() -> dict[str, Any]:
    """Where, with what and from which commit a result comes."""
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "multiplies_bfloat16": multiplies_bfloat16("cpu"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "versions": installed | {"python": platform.python_version()},
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip(),
        "command": shlex.join(["python", *sys.argv]),
    }


def _cpu_model() -> str:
    """As Linux names it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
