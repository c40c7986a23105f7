"""A teacher that weighs the student's last snapshots alike, as the average of arXiv:1803.05407 does, over a window."""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import local
from dino_pipeline.dino.core.models.batch_norm import running_means


class Snapshots:
    """The student's weights at the ends of its last epochs, the newest first; part of the checkpoint."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.taken: list[dict[str, Tensor]] = []  # by the teacher's names; sharded where the networks are

    @torch.no_grad()
    def take(self, student: nn.Module, teacher: nn.Module, *, with_statistics: bool) -> None:
        """Take in the student as it is, and make the teacher the mean; the oldest snapshot leaves.

        Args:
            with_statistics: the running statistics of batch norm are the snapshots' mean likewise.
        """
        teachers = _averaged(teacher, with_statistics=with_statistics)
        # A student's predictor is among its parameters, and no teacher has one.
        students = _averaged(student, with_statistics=with_statistics)
        newest = {name: students[name].detach().clone() for name in teachers}
        self.taken = [newest, *self.taken][: self.length]
        for name, values in zip(teachers, local(teachers.values()), strict=True):
            values.copy_(torch.stack(local(snapshot[name] for snapshot in self.taken)).mean(dim=0))


def _averaged(network: nn.Module, *, with_statistics: bool) -> dict[str, Tensor]:
    parameters: dict[str, Tensor] = dict(network.named_parameters())
    return parameters | running_means(network) if with_statistics else parameters
