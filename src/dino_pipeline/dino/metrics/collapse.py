"""Whether a training collapsed, told from the last row of its history (arXiv:2104.14294, figure 7)."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.config import frozen

Positive = Annotated[float, Field(gt=0)]


@frozen
class CollapseConfig:
    """When the last steps of a training count as collapsed, in nats."""

    uniform_margin: Positive  # the teacher's entropy lies this near ln K ...
    uniform_kl: Positive  # ... and the student differs from the teacher by less
    one_dimension_entropy: Positive  # the teacher's entropy lies below


def collapsed(
    history: Sequence[Mapping[str, float]], *, num_prototypes: int, config: CollapseConfig
) -> str | None:
    """How the training collapsed, judged by its last row, or None where it did not."""
    if not history:
        return None
    last, uniform = history[-1], math.log(num_prototypes)
    if abs(uniform - last["teacher_entropy"]) < config.uniform_margin and abs(last["kl"]) < config.uniform_kl:
        return (
            "The training collapsed to the uniform answer: the teacher gives every image the same flat "
            f"distribution (entropy {last['teacher_entropy']:.3f}, ln K = {uniform:.3f}). A lower teacher "
            "temperature or fewer prototypes help."
        )
    if last["teacher_entropy"] < config.one_dimension_entropy:
        return (
            "The training collapsed to one dimension: the teacher gives every image the same single answer "
            f"(entropy {last['teacher_entropy']:.3f}, near 0). A higher teacher temperature or a faster center help."
        )
    return None
