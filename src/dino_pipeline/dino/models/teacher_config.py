"""What the teacher is made of."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.config import frozen


@frozen
class TeacherConfig:
    """How the teacher comes from the student (arXiv:2104.14294, figure 6), and how it normalises."""

    # momentum: an average over time, by schedules.teacher_momentum; snapshot_average: the uniform mean of the student's
    # weights at the ends of the last num_snapshots epochs; previous_epoch | previous_step | copy: the student's weights
    # of then, or of now; fixed_random: another network, never changed; none: the student's own scores, with gradient.
    name: Literal[
        "momentum", "snapshot_average", "previous_epoch", "previous_step", "copy", "fixed_random", "none"
    ]
    num_snapshots: Annotated[int, Field(ge=1)]  # snapshot_average; each is held beside the networks
    # Batch norm by the statistics of the batch, as DINO; false: by an average of the student's, at the teacher's own
    # pace (arXiv:2101.08482), so that a key tells nothing of the images that were in its batch.
    batch_statistics: bool

    @property
    def is_students(self) -> bool:
        """Whether its weights come from the student, so that it is what a training is for."""
        return self.name != "fixed_random"

    @property
    def takes_statistics(self) -> bool:
        """Whether its running statistics are the student's: where it computes none by forward passes in training."""
        return self.name == "none" or (self.is_students and not self.batch_statistics)


def momentum_in_force(teacher: TeacherConfig, scheduled: float, *, step: int, steps_per_epoch: int) -> float:
    """How much of itself the teacher keeps in a step, counted from 0: every kind is a momentum.

    That of `snapshot_average` is over its snapshots, not over the student: 0 where one is taken.
    """
    if teacher.name in ("copy", "previous_step", "none"):
        return 0.0
    if teacher.name in ("previous_epoch", "snapshot_average"):
        return 0.0 if (step + 1) % steps_per_epoch == 0 else 1.0
    return 1.0 if teacher.name == "fixed_random" else scheduled
