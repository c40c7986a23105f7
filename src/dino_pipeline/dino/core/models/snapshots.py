"""A teacher with the uniform mean of the student's last snapshots (as in arXiv:1803.05407, over a window)."""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import local
from dino_pipeline.dino.core.models.batch_norm import running_means


class Snapshots:
    """The student's weights at the ends of its last epochs, newest first. Part of the checkpoint."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.taken: list[dict[str, Tensor]] = []  # keys are the teacher's; sharded if the networks are

    @torch.no_grad()
    def take(self, student: nn.Module, teacher: nn.Module, *, with_statistics: bool) -> None:
        """Add the student's weights as the newest snapshot, drop the oldest, and set the teacher to the mean.

        Args:
            with_statistics: average batch norm's running statistics over the snapshots too.
        """
        teachers = _averaged(teacher, with_statistics=with_statistics)
        # The student's parameters include its predictor's, which the teacher does not have.
        students = _averaged(student, with_statistics=with_statistics)
        newest = {name: students[name].detach().clone() for name in teachers}
        self.taken = [newest, *self.taken][: self.length]
        for name, values in zip(teachers, local(teachers.values()), strict=True):
            values.copy_(torch.stack(local(snapshot[name] for snapshot in self.taken)).mean(dim=0))


def _averaged(network: nn.Module, *, with_statistics: bool) -> dict[str, Tensor]:
    parameters: dict[str, Tensor] = dict(network.named_parameters())
    return parameters | running_means(network) if with_statistics else parameters
