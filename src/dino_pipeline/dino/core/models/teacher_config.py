"""Configuration of the teacher."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig

MOVED_AT_EPOCHS_END = ("previous_epoch", "snapshot_average")  # unchanged between ends of epochs


@frozen
class TeacherConfig:
    """How the teacher comes from the student (arXiv:2104.14294, figure 6), and how it normalises."""

    # momentum: an average over time, by schedules.teacher_momentum.
    # snapshot_average: the uniform mean of the student's weights at the ends of the last num_snapshots epochs.
    # previous_epoch, previous_step, copy: the student's weights at the end of the previous epoch, one step ago, or now.
    # fixed_random: another network that never changes.
    # frozen: a trained network of another architecture; its logits are its backbone's features.
    # peer: another network that also learns; each has the other's logits as targets (arXiv:1804.03235).
    # none: the student's own logits, with gradient.
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
    num_snapshots: Annotated[int, Field(ge=1)]  # snapshot_average; each needs the memory of a network
    # true: batch norm uses the statistics of the batch, as in DINO. false: it uses an average of the student's, with
    # the teacher's momentum (arXiv:2101.08482), so that a key reveals nothing about the other images of its batch.
    batch_statistics: bool
    # for frozen: a file or a model's folder, as initial_weights; replaced by its hash once the training starts.
    weights: str | None
    backbone: BackboneConfig | None  # for frozen: the architecture of those weights

    @model_validator(mode="after")
    def _parts_fit_the_name(self) -> "TeacherConfig":
        if self.name != "frozen":
            for key, given in (("weights", self.weights), ("backbone", self.backbone and self.backbone.name)):
                if given is not None:
                    raise ValueError(
                        f"{key} is {given}, but name is {self.name}, a teacher with the student's shape: set "
                        f"{key} to null, or name to frozen"
                    )
            if self.name == "peer" and not self.batch_statistics:
                raise ValueError(
                    "batch_statistics is false, but a peer learns with the statistics of its batch, as the "
                    "student does: set it to true"
                )
            return self
        if self.backbone is None:
            raise ValueError(
                "backbone is null, but name is frozen: give the teacher's name, options and drop_path_rate"
            )
        if self.batch_statistics:
            raise ValueError(
                "batch_statistics is true, but a frozen teacher keeps the statistics of its own training: set it "
                "to false"
            )
        return self

    @property
    def follows_student(self) -> bool:
        """Whether the teacher's weights come from the student."""
        return self.name not in ("fixed_random", "frozen", "peer")

    @property
    def learns(self) -> bool:
        """Whether the teacher changes in a training. If so, it is the training's result; otherwise the student is."""
        return self.follows_student or self.name == "peer"

    @property
    def takes_statistics(self) -> bool:
        """Whether the teacher copies the student's running statistics, because it computes none in training."""
        return self.name == "none" or (self.follows_student and not self.batch_statistics)


def momentum_in_force(teacher: TeacherConfig, scheduled: float, *, step: int, steps_per_epoch: int) -> float:
    """The share of its own weights that the teacher keeps in a step, counted from 0: every kind is a momentum.

    For `snapshot_average` the momentum applies to its snapshots, not to the student: 0 at a step that takes one.
    """
    if teacher.name in ("copy", "previous_step", "none"):
        return 0.0
    if teacher.name in MOVED_AT_EPOCHS_END:
        return 0.0 if (step + 1) % steps_per_epoch == 0 else 1.0
    return scheduled if teacher.follows_student else 1.0
