"""What the teacher is made of."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig

MOVED_AT_EPOCHS_END = ("previous_epoch", "snapshot_average")  # and still between


@frozen
class TeacherConfig:
    """How the teacher comes from the student (arXiv:2104.14294, figure 6), and how it normalises."""

    # momentum: an average over time, by schedules.teacher_momentum; snapshot_average: the uniform mean of the student's
    # weights at the ends of the last num_snapshots epochs; previous_epoch | previous_step | copy: the student's weights
    # of then, or of now; fixed_random: another network, never changed; frozen: a trained one of another architecture,
    # whose answer is its backbone's feature; peer: another network that learns as well, each from the other's answers
    # (arXiv:1804.03235); none: the student's own scores, with gradient.
    name: Literal[
        "momentum",
        "snapshot_average",
        "previous_epoch",
        "previous_step",
        "copy",
        "fixed_random",
        "frozen",
        "peer",
        "none",
    ]
    num_snapshots: Annotated[int, Field(ge=1)]  # snapshot_average; each is held beside the networks
    # Batch norm by the statistics of the batch, as DINO; false: by an average of the student's, at the teacher's own
    # pace (arXiv:2101.08482), so that a key tells nothing of the images that were in its batch.
    batch_statistics: bool
    # frozen: a file or a model's folder, as initial_weights; a started training has the hash in its place.
    weights: str | None
    backbone: BackboneConfig | None  # frozen: what those weights are of

    @model_validator(mode="after")
    def _parts_fit_the_name(self) -> "TeacherConfig":
        if self.name != "frozen":
            for key, given in (("weights", self.weights), ("backbone", self.backbone and self.backbone.name)):
                if given is not None:
                    raise ValueError(
                        f"{key} is {given}, and name is {self.name}, a teacher that has the student's shape: set {key} "
                        "to null, or name to frozen"
                    )
            if self.name == "peer" and not self.batch_statistics:
                raise ValueError(
                    "batch_statistics is false, and a peer learns as the student does, from the statistics of its "
                    "batch: set it to true"
                )
            return self
        if self.backbone is None:
            raise ValueError(
                "backbone is null, and name is frozen: give the teacher's name, options, drop_path_rate"
            )
        if self.batch_statistics:
            raise ValueError(
                "batch_statistics is true, and a frozen teacher keeps the statistics of its own training: set it to "
                "false"
            )
        return self

    @property
    def follows_student(self) -> bool:
        """Whether its weights come from the student."""
        return self.name not in ("fixed_random", "frozen", "peer")

    @property
    def learns(self) -> bool:
        """Whether it changes in a training, which is then for it rather than for the student."""
        return self.follows_student or self.name == "peer"

    @property
    def takes_statistics(self) -> bool:
        """Whether its running statistics are the student's: where it computes none by forward passes in training."""
        return self.name == "none" or (self.follows_student and not self.batch_statistics)


def momentum_in_force(teacher: TeacherConfig, scheduled: float, *, step: int, steps_per_epoch: int) -> float:
    """How much of itself the teacher keeps in a step, counted from 0: every kind is a momentum.

    That of `snapshot_average` is over its snapshots, not over the student: 0 where one is taken.
    """
    if teacher.name in ("copy", "previous_step", "none"):
        return 0.0
    if teacher.name in MOVED_AT_EPOCHS_END:
        return 0.0 if (step + 1) % steps_per_epoch == 0 else 1.0
    return scheduled if teacher.follows_student else 1.0
