"""Training steps on one device, executed and fed in different ways: what gpu.py measures.

Rows of `RESIDENT` take crops that lie on the device, those of `FED` take what a loader brings from JPEG files.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from recipe_values import recipe_values
from torch import Tensor

from dino_pipeline.dino.core.batches import DeviceBatches, ToFloats
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.doctor.training_checks import loaded

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PEAK_FLOPS = 989e12
NUM_SCHEDULED = 1000  # steps of the run whose schedules these steps take


class Network(NamedTuple):
    """What is trained, and its FLOPs an image: all crops, teacher and student, forward and backward."""

    recipe: str
    flops: float
    tiny: dict[str, Any]


NETWORKS = {
    "ViT-S/16": Network(
        "imagenet_vit_small",
        123.8e9,
        {
            "name": "vit_tiny_patch16_224",
            "options": {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 1, "num_heads": 2},
            "drop_path_rate": 0.1,
        },
    ),
    "ResNet-50": Network(
        "imagenet_resnet50", 93.0e9, {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0}
    ),
}


class Way(NamedTuple):
    """How the step is executed."""

    precision: str = "bf16"
    compile: str | None = None  # torch.compile's mode
    checkpointing: bool = False


RESIDENT = {
    "fp32": Way("fp32"),
    "bf16": Way(),
    "bf16, compiled": Way(compile="default"),
    "bf16, compiled with CUDA graphs": Way(compile="reduce-overhead"),
    "bf16, gradient checkpointing": Way(checkpointing=True),
}


class Feed(NamedTuple):
    """Who augments, and whether batches are prepared beside the step."""

    augment_on_device: bool
    beside: bool


FED = {
    "augmented by workers": Feed(augment_on_device=False, beside=False),
    "augmented by workers, on a stream beside": Feed(augment_on_device=False, beside=True),
    "augmented on the device": Feed(augment_on_device=True, beside=False),
    "augmented on the device, on a stream beside: all together": Feed(augment_on_device=True, beside=True),
}


class Steps(NamedTuple):
    """How many to take: the first of them compile and allocate."""

    warm_up: int
    timed: int


def configuration(network: Network, *, batch_size: int, tiny: bool) -> PretrainConfig:
    values = recipe_values(network.recipe)["pretrain"] | {"batch_size": batch_size}
    crops = values["multi_crop"] | {"num_local_crops": 10}
    if tiny:
        values |= {"backbone": network.tiny}
        values["projection_head"] |= {"num_prototypes": 64, "hidden_dim": 32, "bottleneck_dim": 16}
        crops |= {"global_crop_size": 32, "local_crop_size": 16, "num_local_crops": 2}
    return from_dict(PretrainConfig, values | {"multi_crop": crops})


def build(config: PretrainConfig, way: Way) -> tuple[TrainingState, PretrainConfig]:
    config = replace(config, precision=way.precision)
    state = TrainingState(config, DEVICE)
    if way.checkpointing:
        state.student.backbone.use_checkpointing()
    if way.compile:
        for network in (state.student, state.teacher):
            network.backbone.compile(mode=way.compile)
    return state, config


def timed_steps(
    state: TrainingState,
    config: PretrainConfig,
    next_crops: Callable[[], tuple[Tensor, Tensor]],
    steps: Steps,
    flops: float,
) -> dict[str, float | None]:
    """Images a second over the timed steps, and the most memory that was held since the state was built."""
    for number in range(steps.warm_up + steps.timed):
        if number == steps.warm_up:
            synchronize()
            start = time.perf_counter()
        training_step(
            state,
            config,
            *next_crops(),
            schedule_values(config, state.step, NUM_SCHEDULED, steps_per_epoch=NUM_SCHEDULED),
        )
    synchronize()
    images_per_second = steps.timed * config.batch_size / (time.perf_counter() - start)
    on_gpu = DEVICE.type == "cuda"
    return {
        "images_per_second": round(images_per_second, 1),
        "mfu": round(flops * images_per_second / PEAK_FLOPS, 4) if on_gpu else None,
        "memory_mb": round(torch.cuda.max_memory_allocated() / 2**20) if on_gpu else None,
    }


def resident(config: PretrainConfig, way: Way, steps: Steps, flops: float) -> dict[str, float | None]:
    """Steps on random crops that lie on the device."""
    state, config = build(config, way)
    shape = config.multi_crop
    crops = tuple(
        torch.randn(count, config.batch_size, 3, side, side, device=DEVICE)
        for count, side in ((2, shape.global_crop_size), (shape.num_local_crops, shape.local_crop_size))
    )
    return timed_steps(state, config, lambda: crops, steps, flops)


def fed(
    config: PretrainConfig, feed: Feed, images: Manifest, steps: Steps, flops: float, *, num_workers: int
) -> dict[str, float | None]:
    """Compiled steps of bfloat16 on what the loader brings."""
    compiled = DEVICE.type == "cuda"
    state, config = build(config, Way(compile="default" if compiled else None))
    loader = loaded(
        config,
        images,
        num_workers=num_workers,
        num_steps=steps.warm_up + steps.timed,
        augment_on_device=feed.augment_on_device,
    )
    batches = DeviceBatches(loader, ToFloats(config, DEVICE, compiled=compiled))
    if not feed.beside:
        batches.side = None  # copied and augmented between two steps
    arriving = iter(batches)
    return timed_steps(state, config, lambda: next(arriving)[:2], steps, flops)


def optimizer_seconds(config: PretrainConfig, *, fused: bool, num_steps: int) -> dict[str, float]:
    """Of one step of AdamW over the student's parameters, alone."""
    state = TrainingState(config, DEVICE)
    parameters = [p for p in state.student.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.AdamW(parameters, fused=fused, foreach=not fused)
    optimizer.step()
    synchronize()
    start = time.perf_counter()
    for _ in range(num_steps):
        optimizer.step()
    synchronize()
    return {"milliseconds": round(1000 * (time.perf_counter() - start) / num_steps, 3)}


def synchronize() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
