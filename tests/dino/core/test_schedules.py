"""Schedules against the reference's arrays and by hand."""

from pathlib import Path

import numpy as np
import pytest

from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.core.schedules import linearly_scaled, scheduled


@pytest.mark.golden
def test_schedules_are_the_references(golden: Path) -> None:
    numbers = np.load(golden / "schedules.npz")
    cases = [name.removesuffix("_args") for name in numbers.files if name.endswith("_args")]
    assert cases
    for case in cases:
        start, end, epochs, steps_per_epoch, warmup_epochs, warmup_from = numbers[f"{case}_args"]
        schedule = ScheduleConfig(
            warmup_from=warmup_from, start=start, end=end, warmup_fraction=warmup_epochs / epochs
        )
        num_steps = int(epochs * steps_per_epoch)
        values = [scheduled(schedule, step, num_steps) for step in range(num_steps)]
        np.testing.assert_allclose(values, numbers[f"{case}_values"], atol=1e-12)


def test_warmup_includes_both_its_ends() -> None:
    schedule = ScheduleConfig(warmup_from=0.0, start=3.0, end=1.0, warmup_fraction=0.5)
    assert [scheduled(schedule, step, 8) for step in range(5)] == [0.0, 1.0, 2.0, 3.0, 3.0]


def test_linear_scaling_leaves_the_final_value_alone() -> None:
    scaled = linearly_scaled(ScheduleConfig(warmup_from=0.1, start=1.0, end=1e-6, warmup_fraction=0.1), 64)
    assert (scaled.warmup_from, scaled.start, scaled.end) == (0.025, 0.25, 1e-6)
