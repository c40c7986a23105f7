"""The collapses of docs/healthy_and_unhealthy.md are told from its healthy training, by that page's own numbers."""

import pytest

from dino_pipeline.dino.config import from_dict
from dino_pipeline.recipes import recipe_parameters
from dino_pipeline.tuning.collapse import collapse
from dino_pipeline.tuning.config import CollapseConfig


@pytest.mark.parametrize(
    ("entropy", "kl", "rank", "expected"),
    [
        (3.6, 0.58, 9.5, None),
        (6.238, 0.0003, 9.5, "uniform"),
        (6.238, 1.2, 9.5, None),  # the answers are flat, and the student still learns
        (0.0, 0.007, 9.5, "one dimension"),
        (3.6, 0.58, 1.02, "rank"),
        (3.6, 0.58, None, None),  # no evaluation in this row
    ],
)
def test_a_collapse_has_a_name(entropy: float, kl: float, rank: float | None, expected: str | None) -> None:
    config = from_dict(CollapseConfig, recipe_parameters("base")["tune"]["collapse"])
    row = {"teacher_entropy": entropy, "kl": kl} | ({"effective_rank_teacher": rank} if rank else {})
    assert collapse(row, config, num_prototypes=512) == expected
