"""Time label propagation in tiles beside a plain loop and the published code's dense form.

    python benchmarks/label_propagation.py

One frame of 480p video and eight context frames, features random, at the grids of patch 16 and of patch 8. Memory is
what a process's peak grows by over one call.
"""

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from side_by_side import Floor, arguments, report, take_turns
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.video_segmentation.propagation import propagate

PARAMETERS = Path(__file__).parents[1] / "conf" / "base" / "parameters_video_segmentation.yml"
GRIDS = {"patch_16": (30, 52), "patch_8": (60, 104)}  # of 480 x 832 px
DIM = 384  # of a ViT-S
CLASSES = 3  # background and two objects
CONTEXTS = 8
NAMES = ("neighborhood_radius", "top_k", "temperature")


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


def loop(inputs: Inputs, *, neighborhood_radius: int, top_k: int, temperature: float) -> Tensor:
    """The definition, a patch at a time."""
    rows, columns = inputs.target.shape[:2]
    masks = inputs.masks.movedim(1, -1)
    result = masks.new_empty(rows, columns, CLASSES)
    for row in range(rows):
        near_rows = slice(max(0, row - neighborhood_radius), row + neighborhood_radius + 1)
        for column in range(columns):
            near_columns = slice(max(0, column - neighborhood_radius), column + neighborhood_radius + 1)
            features = inputs.features[:, near_rows, near_columns].reshape(-1, DIM)
            largest, index = (features @ inputs.target[row, column]).topk(top_k)
            weights = torch.softmax(largest / temperature, dim=0)
            result[row, column] = weights @ masks[:, near_rows, near_columns].reshape(-1, CLASSES)[index]
    return result.movedim(-1, 0)


def loop_form(inputs: Inputs, config: dict[str, Any]) -> Callable[[], Tensor]:
    """Ready to be called."""
    return lambda: loop(inputs, **{name: config[name] for name in NAMES})


def dense_form(inputs: Inputs, config: dict[str, Any]) -> Callable[[], Tensor]:
    """Ready to be called: the neighbourhood is made once, as for a video."""
    near = neighborhood(tuple(inputs.target.shape[:2]), config["neighborhood_radius"])
    return lambda: dense(inputs, near, top_k=config["top_k"], temperature=config["temperature"])


def tiled_form(inputs: Inputs, config: dict[str, Any]) -> Callable[[], Tensor]:
    """Ready to be called."""
    return lambda: propagate(*inputs, **{name: config[name] for name in NAMES})


FORMS = {"loop": loop_form, "dense": dense_form, "tiles": tiled_form}


def peak_mebibytes(name: str, grid: tuple[int, int], config: dict[str, Any]) -> int:
    """By how much one call raises the peak memory of this process, which should be a fresh one."""
    call = FORMS[name](make_inputs(grid), config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call()
    return round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def largest_difference(grid: tuple[int, int], config: dict[str, Any]) -> float:
    """Of the tiles' result to either other form's."""
    masks = {name: form(make_inputs(grid), config)() for name, form in FORMS.items()}
    return max(float((masks["tiles"] - masks[name]).abs().max()) for name in ("loop", "dense"))


def main() -> None:
    """Measure both grids, report."""
    options = arguments(__doc__).parse_args()
    torch.set_num_threads(options.num_threads)
    config = yaml.safe_load(PARAMETERS.read_text())["video_segmentation"]
    grids = {"tiny": (12, 16)} if options.tiny else GRIDS
    memory: dict[str, dict[str, int]] = {name: {} for name in grids}
    for grid_name, grid in grids.items():  # first: a process starts with the peak of the one that started it
        for form in FORMS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                memory[grid_name][form] = pool.apply(peak_mebibytes, (form, grid, config))
    competitors = {
        f"{form}, {grid_name}": make(make_inputs(grid), config)
        for grid_name, grid in grids.items()
        for form, make in FORMS.items()
    }
    report(
        "label propagation",
        take_turns(competitors, options.num_rounds),
        [Floor(f"tiles, {name}", f"loop, {name}", 5.0) for name in grids],
        options,
        work=f"a frame of 480p video, {CONTEXTS} context frames, radius {config['neighborhood_radius']} patches",
        more={
            "grids": grids,
            "peak_mebibytes": memory,
            "largest_difference": {name: largest_difference(grid, config) for name, grid in grids.items()},
        },
    )


if __name__ == "__main__":
    main()
