"""Schedules of any shape and length: their start, end and warm-up are hit, and nothing leaves the bounds."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.core.schedules import linearly_scaled, scheduled

VALUES = st.floats(min_value=0, max_value=10)
SCHEDULES = st.builds(
    ScheduleConfig,
    warmup_from=VALUES,
    start=VALUES,
    end=VALUES,
    warmup_fraction=st.floats(min_value=0, max_value=0.99),
)
STEPS = st.integers(min_value=1, max_value=300)


def close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


@given(SCHEDULES, STEPS)
def test_no_value_leaves_the_bounds(schedule: ScheduleConfig, num_steps: int) -> None:
    bounds = (schedule.warmup_from, schedule.start, schedule.end)
    for step in range(num_steps):
        assert min(bounds) - 1e-9 <= scheduled(schedule, step, num_steps) <= max(bounds) + 1e-9


@given(SCHEDULES, STEPS)
def test_the_warm_up_begins_and_ends_where_it_says(schedule: ScheduleConfig, num_steps: int) -> None:
    num_warmup = round(schedule.warmup_fraction * num_steps)
    assert close(scheduled(schedule, 0, num_steps), schedule.warmup_from if num_warmup else schedule.start)
    if num_warmup > 1:
        assert close(scheduled(schedule, num_warmup - 1, num_steps), schedule.start)
    if num_warmup < num_steps:
        assert close(scheduled(schedule, num_warmup, num_steps), schedule.start)


@given(SCHEDULES, st.integers(min_value=2, max_value=300))
def test_after_the_warm_up_it_goes_one_way_and_arrives(schedule: ScheduleConfig, num_steps: int) -> None:
    values = [
        scheduled(schedule, step, num_steps)
        for step in range(round(schedule.warmup_fraction * num_steps), num_steps)
    ]
    direction = 1 if schedule.end >= schedule.start else -1
    assert all(direction * (b - a) >= -1e-9 for a, b in pairwise(values))
    # The last step is one short of the end, where the cosine is flat: within its last step's share.
    if values:
        short = 0.5 * (1 - math.cos(math.pi / len(values))) * abs(schedule.start - schedule.end)
        assert close(abs(values[-1] - schedule.end), short)


@given(SCHEDULES, STEPS, st.integers(min_value=1, max_value=4096))
def test_scaling_by_the_batch_scales_the_warm_up_throughout(
    schedule: ScheduleConfig, num_steps: int, batch_size: int
) -> None:
    scaled = linearly_scaled(schedule, batch_size)
    for step in range(round(schedule.warmup_fraction * num_steps)):
        expected = scheduled(schedule, step, num_steps) * batch_size / 256
        assert close(scheduled(scaled, step, num_steps), expected)
