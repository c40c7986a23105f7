"""Student's t interval against scipy.stats, and its factors against the printed table."""

import pytest
from scipy import stats

from dino_pipeline.dino.metrics.student_t import interval

TABLE = {1: 12.706, 2: 4.303, 4: 2.776, 30: 2.042}  # 97.5 %, by degrees of freedom


@pytest.mark.parametrize(("degrees", "factor"), TABLE.items())
def test_the_half_width_is_the_standard_error_times_the_tables_factor(degrees: int, factor: float) -> None:
    values = [0.1 * index**2 for index in range(degrees + 1)]
    mean, half_width = interval(values)
    low, high = stats.t.interval(0.95, degrees, loc=mean, scale=stats.sem(values))
    assert half_width is not None
    assert [mean - half_width, mean + half_width] == pytest.approx([low, high], rel=1e-12)
    assert half_width / stats.sem(values) == pytest.approx(factor, abs=5e-4)


def test_one_value_has_no_interval() -> None:
    assert interval([0.5]) == (0.5, None)
