"""Nothing inside a step waits for the device: no number is read back to the host."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from tests.dino.conftest import MakeSpec

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Reads(TorchDispatchMode):
    """Counts what `.item()`, `float(tensor)` and `if tensor` come down to."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@contextmanager
def refused_by_cuda() -> Iterator[None]:
    """Whatever waits for a GPU is an error; without one this says nothing."""
    if DEVICE.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if DEVICE.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def reads_of_a_step(config: PretrainConfig) -> int:
    """Of the second step: the first makes the optimizer's state."""
    state = TrainingState(config, DEVICE)
    dtype = torch.float64 if config.precision == "fp64" else torch.float32
    crops = [
        torch.randn(count, config.batch_size, 3, side, side, dtype=dtype, device=DEVICE)
        for count, side in ((2, 16), (2, 8))
    ]
    now = schedule_values(config, 0, 10, steps_per_epoch=10)
    training_step(state, config, *crops, now)
    reads = Reads()
    with refused_by_cuda(), reads:
        training_step(state, config, *crops, now)
    return reads.count


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    [
        *(("adamw", precision) for precision in ("fp64", "fp32", "bf16", "fp16")),
        ("sgd", "fp32"),
        ("lars", "fp32"),
    ],
)
def test_a_step_reads_nothing_back(
    make_spec: MakeSpec, tmp_path: Path, optimizer: str, precision: str
) -> None:
    config = replace(make_spec(tmp_path).pretrain, precision=precision)
    assert reads_of_a_step(replace(config, optimizer=replace(config.optimizer, name=optimizer))) == 0


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
def test_in_float16_the_scaler_asks_for_sgd_and_lars(
    make_spec: MakeSpec, tmp_path: Path, optimizer: str
) -> None:
    config = replace(make_spec(tmp_path).pretrain, precision="fp16")
    assert reads_of_a_step(replace(config, optimizer=replace(config.optimizer, name=optimizer))) == 1
