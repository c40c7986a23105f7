"""Checks that every process runs on its own device, under torchrun."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.batches import ToFloats
from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.data.loader import MultiCropBatch
from dino_pipeline.dino.core.data.photometric.drawn import Row
from dino_pipeline.dino.core.distributed import all_reduce_sum, any_process, gather, rank, world_size
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import ScheduleValues, schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import StepMetrics, training_step

_MEGABYTES = 64  # that are reduced, to measure how fast
_NEAR_BFLOAT16 = 0.05  # of the loss: bfloat16 has 8 bits
_NEAR_COMPILED = 1e-3
_NO_COMPILER = ("No working C++ compiler", "Failed to find C compiler", "InvalidCxxCompiler", "Python.h")


class CheckFailedError(Exception):
    """A check found something wrong."""


class NotApplicableError(Exception):
    """A check has nothing to look at on this machine. The text says why, and what else to do."""


class Finding(NamedTuple):
    """What a check found, and what to do next, if anything."""

    text: str
    advice: str = ""


def collectives(device: torch.device) -> Finding:
    """Sums and gathers of float32 and bfloat16 over all processes, and a flag that they agree on."""
    world = world_size()
    if world == 1:
        raise NotApplicableError("one GPU: nothing to exchange")
    for dtype in (torch.float32, torch.bfloat16):
        own = torch.full((1024,), float(rank() + 1), dtype=dtype, device=device)
        total = all_reduce_sum(own.clone())
        if (total != world * (world + 1) / 2).any():
            raise CheckFailedError(
                f"all_reduce of {dtype} gives {total[0].item():g} for the sum of 1 to {world}"
            )
        if (gather(own)[:, 0] != torch.arange(1, world + 1, device=device)).any():
            raise CheckFailedError(f"all_gather of {dtype} does not give every process's tensor in its order")
    if not any_process(rank() == world - 1) or any_process(False):
        raise CheckFailedError("the processes do not agree on a flag")
    data = torch.ones(_MEGABYTES * 2**18, device=device)
    all_reduce_sum(data)
    _synchronize(device)
    start = time.perf_counter()
    all_reduce_sum(data)
    _synchronize(device)
    rate = 2 * (world - 1) / world * data.nbytes / (time.perf_counter() - start) / 1e9
    backend = "nccl" if device.type == "cuda" else "gloo"
    return Finding(f"{backend} between {world} processes: {rate:.1f} GB/s a process")


def bf16(config: PretrainConfig, device: torch.device) -> Finding:
    """Two steps in bfloat16 are finite, and the first loss is near that of float32."""
    if not multiplies_bfloat16(device.type):
        raise NotApplicableError(
            f"this {'GPU' if device.type == 'cuda' else 'CPU'} has no bfloat16 instructions: set pretrain.precision "
            "to fp32"
        )
    losses = {}
    for precision in ("fp32", "bf16"):
        steps = take_steps(replace(config, precision=precision), device, 2)
        losses[precision] = steps[0].loss.item()
        if any(bool(metrics.is_skipped) for metrics in steps):
            raise CheckFailedError(f"a step in {precision} gives a loss or a gradient that is not finite")
    difference = abs(losses["bf16"] / losses["fp32"] - 1)
    if difference > _NEAR_BFLOAT16:
        raise CheckFailedError(
            f"the loss in bfloat16 is {losses['bf16']:.4f}, in float32 {losses['fp32']:.4f}"
        )
    return Finding(f"the loss differs from float32's by {difference:.2%}")


def compiled(folder: Path, device: torch.device) -> Finding:
    """A small compiled network computes what the plain one does, and the same gradient.

    Args:
        folder: takes what the compiler writes, so that nothing of an earlier run is used.
    """
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "compiled")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=4), nn.BatchNorm2d(16), nn.GELU(), nn.Flatten(), nn.Linear(256, 32)
    ).to(device)
    images = torch.randn(4, 3, 16, 16, device=device)
    plain = _outputs_and_gradient(network, images)
    start = time.perf_counter()
    try:
        network.compile()
        found = _outputs_and_gradient(network, images)
    except Exception as error:
        if any(word in str(error) for word in _NO_COMPILER):
            raise NotApplicableError(
                "torch.compile finds no C++ compiler: install one (g++, python3-dev), or keep launch.compile false"
            ) from error
        raise
    for name, one, other in zip(("outputs", "gradient"), plain, found, strict=True):
        difference = (one - other).abs().max().item()
        if not difference <= _NEAR_COMPILED:
            raise CheckFailedError(
                f"{name} of the compiled network differ from the plain one's by {difference:.3g}"
            )
    return Finding(f"equal to the plain network; compiled in {time.perf_counter() - start:.0f} s")


def no_waiting(config: PretrainConfig, device: torch.device) -> Finding:
    """CUDA refuses whatever waits for the device, while batches are augmented there and steps are taken."""
    for precision in ("fp32", "bf16") if multiplies_bfloat16("cuda") else ("fp32",):
        own = replace(config, precision=precision)
        to_floats = ToFloats(own, device, compiled=False)
        batch = _batch(own)
        state = TrainingState(own, device)
        for is_warm in (False, True, True):
            torch.cuda.set_sync_debug_mode("error" if is_warm else "default")
            try:
                global_crops, local_crops, labels = to_floats(batch)
                training_step(state, own, global_crops, local_crops, _values(own, state), labels)
            finally:
                torch.cuda.set_sync_debug_mode("default")
    return Finding("no step waits for the GPU")


def take_steps(config: PretrainConfig, device: torch.device, count: int) -> list[StepMetrics]:
    """Steps of a new training on random crops, the same for every precision."""
    state = TrainingState(config, device)
    crops = random_crops(config, device)
    return [training_step(state, config, *crops, _values(config, state)) for _ in range(count)]


def seconds_per_step(config: PretrainConfig, device: torch.device) -> float:
    """Of three steps after a first one, in bfloat16 where a GPU multiplies it."""
    in_bfloat16 = device.type == "cuda" and multiplies_bfloat16("cuda")
    config = replace(config, precision="bf16" if in_bfloat16 else "fp32")
    state = TrainingState(config, device)
    crops = random_crops(config, device)
    for number in range(4):
        if number == 1:
            _synchronize(device)
            start = time.perf_counter()
        training_step(state, config, *crops, _values(config, state))
    _synchronize(device)
    return (time.perf_counter() - start) / 3


def random_crops(config: PretrainConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """This process's global and local crops, on the device."""
    shape, generator = config.multi_crop, torch.Generator().manual_seed(rank())
    own = config.batch_size // world_size()
    sizes = ((2, shape.global_crop_size), (shape.num_local_crops, shape.local_crop_size))
    first, second = (
        torch.randn(n, own, config.images.channels, side, side, generator=generator).to(device)
        for n, side in sizes
    )
    return first, second


def _batch(config: PretrainConfig) -> MultiCropBatch:
    """Crops as a loader yields them, in pinned memory, with nothing drawn but a flip."""
    shape, own = config.multi_crop, config.batch_size // world_size()
    drawn = torch.zeros(shape.num_crops, own, len(Row._fields))
    drawn[..., Row._fields.index("flip")] = 1
    crops = (
        torch.zeros(n, own, side, side, config.images.channels, dtype=torch.uint8)
        for n, side in ((2, shape.global_crop_size), (shape.num_local_crops, shape.local_crop_size))
    )
    first, second, rows = (tensor.pin_memory() for tensor in (*crops, drawn))
    return MultiCropBatch(first, second, rows, None, [])


def _values(config: PretrainConfig, state: TrainingState) -> ScheduleValues:
    return schedule_values(config, state.step, 100, steps_per_epoch=100)


def _outputs_and_gradient(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    own = images.clone().requires_grad_()
    outputs = network(own)
    (gradient,) = torch.autograd.grad(outputs.square().mean(), own)
    return outputs.detach(), gradient


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
