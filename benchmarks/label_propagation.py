"""Time label propagation in tiles beside the published code's dense form: python benchmarks/label_propagation.py.

Prints one JSON object (benchmarks/results/label_propagation.json is one): seconds for one frame of 480p video and eight
context frames, features random, at the grids of patch 16 and of patch 8. The two forms take turns; a figure is the
median over rounds. CPU seconds are of this process, so on a busy machine they say more than the wall clock. Memory is
what a process's peak grows by over one call.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.video_segmentation.propagation import propagate

PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_video_segmentation.yml"
GRIDS = {"patch_16": (30, 52), "patch_8": (60, 104)}  # of 480 x 832 px
DIM = 384  # of a ViT-S
CLASSES = 3  # background and two objects
CONTEXTS = 8


class Inputs(NamedTuple):
    """As `propagate` takes them."""

    target: Tensor
    features: Tensor
    masks: Tensor


def make_inputs(grid: tuple[int, int]) -> Inputs:
    """Random unit vectors, and random masks that sum to 1."""
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(CONTEXTS + 1, *grid, DIM, generator=generator), dim=-1)
    masks = torch.rand(CONTEXTS, CLASSES, *grid, generator=generator)
    return Inputs(features[0], features[1:], masks / masks.sum(dim=1, keepdim=True))


def neighborhood(grid: tuple[int, int], radius: int) -> Tensor:
    """1 where two patches of a frame are near one another, [1, patches, patches]; made once for a video."""
    near = [(torch.arange(side)[:, None] - torch.arange(side)).abs() <= radius for side in grid]
    patches = grid[0] * grid[1]
    return (near[0][:, None, :, None] & near[1][None, :, None, :]).reshape(1, patches, patches).float()


def dense(inputs: Inputs, near: Tensor, *, top_k: int, temperature: float) -> Tensor:
    """The published form: every patch against every patch of every context frame, then masked."""
    num_patches = inputs.target[..., 0].numel()
    target = inputs.target.reshape(1, num_patches, DIM).expand(CONTEXTS, -1, -1)
    affinity = torch.exp(torch.bmm(target, inputs.features.flatten(1, 2).transpose(1, 2)) / temperature)
    affinity *= near
    affinity = affinity.transpose(2, 1).reshape(-1, num_patches)
    largest, _ = torch.topk(affinity, dim=0, k=top_k)
    affinity[affinity < largest.min(dim=0).values] = 0
    affinity = affinity / affinity.sum(dim=0, keepdim=True)
    masks = inputs.masks.flatten(2).transpose(2, 1).reshape(-1, CLASSES).T
    return (masks @ affinity).view(CLASSES, *inputs.target.shape[:2])


def dense_form(inputs: Inputs, config: dict[str, Any]) -> Callable[[], Tensor]:
    """Ready to be called: the neighbourhood is made once, as for a video."""
    near = neighborhood(tuple(inputs.target.shape[:2]), config["neighborhood_radius"])
    return lambda: dense(inputs, near, top_k=config["top_k"], temperature=config["temperature"])


def tiled_form(inputs: Inputs, config: dict[str, Any]) -> Callable[[], Tensor]:
    """Ready to be called."""
    names = ("neighborhood_radius", "top_k", "temperature")
    return lambda: propagate(*inputs, **{name: config[name] for name in names})


FORMS = {"dense": dense_form, "tiles": tiled_form}


def peak_mebibytes(name: str, grid: tuple[int, int], config: dict[str, Any]) -> int:
    """By how much one call raises the peak memory of this process, which should be a fresh one."""
    call = FORMS[name](make_inputs(grid), config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    return round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def measure(grid: tuple[int, int], config: dict[str, Any], num_rounds: int) -> dict[str, Any]:
    """Medians of seconds, their ratios, and the largest difference of the results."""
    inputs = make_inputs(grid)
    both = {name: form(inputs, config) for name, form in FORMS.items()}
    results = {name: call() for name, call in both.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in both}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(num_rounds):
        for name, call in both.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            call()
            seconds[name].append(time.perf_counter() - start)
            cpu_seconds[name].append(time.process_time() - cpu_start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    cpu_medians = {name: statistics.median(values) for name, values in cpu_seconds.items()}
    return {
        "grid": list(grid),
        "seconds": {name: round(value, 4) for name, value in medians.items()},
        "cpu_seconds": {name: round(value, 4) for name, value in cpu_medians.items()},
        "times_faster": round(medians["dense"] / medians["tiles"], 1),
        "times_faster_by_cpu_seconds": round(cpu_medians["dense"] / cpu_medians["tiles"], 1),
        "largest_difference": float((results["dense"] - results["tiles"]).abs().max()),
    }


def cpu_model() -> str:
    """As Linux names it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure both grids, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-rounds", type=int, default=5)
    parser.add_argument("--num-threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.num_threads)
    config = yaml.safe_load(PARAMETERS.read_text())["video_segmentation"]
    memory = {}  # first: a process starts with the peak of the one that started it
    for grid_name, grid in GRIDS.items():
        memory[grid_name] = {}
        for form in FORMS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                memory[grid_name][form] = pool.apply(peak_mebibytes, (form, grid, config))
    result = {
        **{
            name: measure(grid, config, options.num_rounds) | {"peak_mebibytes": memory[name]}
            for name, grid in GRIDS.items()
        },
        "context_frames": CONTEXTS,
        "dim": DIM,
        "neighborhood_radius": config["neighborhood_radius"],
        "num_rounds": options.num_rounds,
        "num_threads": options.num_threads,
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "load_average_at_the_end": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in ("torch",)} | {"python": platform.python_version()},
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip(),
        "command": f"python benchmarks/label_propagation.py --num-rounds {options.num_rounds} "
        f"--num-threads {options.num_threads}",
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
