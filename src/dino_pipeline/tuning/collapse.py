"""Whether a training has collapsed, told from a row of its history, without labels."""

import math
from collections.abc import Mapping

from dino_pipeline.tuning.config import CollapseConfig


def collapse(row: Mapping[str, float], config: CollapseConfig, *, num_prototypes: int) -> str | None:
    """How a training has collapsed; None where it has not.

    Uniform: every answer is flat, entropy ln K, and the student has nothing left to learn. One dimension: one
    prototype wins for every image, entropy 0. Rank: the teacher's features lie along a line, whatever the answers.

    Args:
        row: of history.csv; the effective rank is there where an evaluation joined it.
        num_prototypes: K.
    """
    share = row["teacher_entropy"] / math.log(num_prototypes)
    if share < config.min_entropy_share:
        return "one dimension"
    if share > config.max_entropy_share and row["kl"] < config.max_kl:
        return "uniform"
    if row.get("effective_rank_teacher", math.inf) < config.min_effective_rank:
        return "rank"
    return None
