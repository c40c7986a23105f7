"""The pairs that losses are summed over: each student view with each teacher view that is another."""

from collections.abc import Callable

import torch
from torch import Tensor


def mean_over_pairs(term: Callable[[int, int], Tensor], num_student: int, num_teacher: int) -> Tensor:
    """Mean of `term(student view, teacher view)`, a scalar each; the teacher's views are the student's first ones."""
    terms = [
        term(view, other) for view in range(num_student) for other in range(num_teacher) if view != other
    ]
    return torch.stack(terms).mean()
