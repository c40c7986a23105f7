"""Diagnosis of collapse, by kind, from a training's history (arXiv:2104.14294, section 5.3 and figure 7).

loss = H(teacher) + KL(teacher || student). If the teacher has the same output for every image, the student soon does
too, and the KL divergence goes to 0. The entropy shows which output it is: at ln K a uniform distribution ("uniform"),
at 0 always one prototype ("one dimension"). Without momentum the student never reaches it: teacher and center follow
each other, and the entropy swings from row to row ("no stable answer").

Each bound lies between the healthy and the collapsing trainings of benchmarks/collapse_diagnosis.py (docs/numbers.md).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.models.teacher_config import MOVED_AT_EPOCHS_END
from dino_pipeline.dino.core.pretrain_config import PretrainConfig

UNIFORM_MARGIN = 0.2  # nats between the teacher's entropy and ln K
UNIFORM_KL = 0.2  # nats; below this, nothing is left to learn
ONE_DIMENSION_ENTROPY = 0.1  # nats; for example, one prototype has 98.8 % of the weight of two
# Nats; above this, the one prototype differs between images, and the student still learns.
ONE_DIMENSION_KL = 0.5
NUM_STILL_ROWS = 3  # in a row, because one window may be transient, as after the last layer is unfrozen
SWING = 0.1  # share of ln K, from row to row
NUM_ROWS = 6  # rows for the swing of the entropy; the diagnosis uses no others

# Beyond these values a part of the method is practically switched off, and is reported as the cause.
_SLOW_CENTER = 0.999
_FAST_TEACHER = 0.9


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Parameters of a training that the diagnosis needs besides its rows."""

    num_prototypes: int
    student_temperature: float
    centering: str
    center_momentum: float
    teacher_jumps: bool  # it changes at ends of epochs only, so its entropy jumps in any training

    @classmethod
    def of(cls, pretrain: Mapping[str, Any]) -> "Settings | None":
        """The settings in a training's parameters, nested as in conf/. None for a loss without distributions."""
        if pretrain["loss"]["name"] not in ("dino", "cross_entropy"):  # cross_entropy is the old name
            return None
        head = pretrain["projection_head"]
        return cls(
            num_prototypes=head["num_prototypes"] or head["bottleneck_dim"],
            student_temperature=pretrain["loss"]["student_temperature"],
            centering=pretrain["loss"]["centering"],
            center_momentum=pretrain["loss"]["center_momentum"],
            teacher_jumps=pretrain["teacher"]["name"] in MOVED_AT_EPOCHS_END,
        )


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """A collapse by name, its evidence, the likely cause and the remedy."""

    kind: Literal["uniform", "one dimension", "no stable answer"]
    evidence: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind} collapse: {self.evidence}; likely cause: {self.cause}; {self.remedy}"


def diagnose(rows: Sequence[Mapping[str, float]], settings: Settings | None) -> Collapse | None:
    """The collapse that a training's last rows show; None if there is none, or too few rows.

    Args:
        settings: None for a loss without distributions, which has no diagnosis.
        rows: of the history, oldest first, with `teacher_entropy`, `kl`, `teacher_temperature`, `teacher_momentum` and
            `learning_rate`.
    """
    last = rows[-NUM_STILL_ROWS:]
    if settings is None or len(last) < NUM_STILL_ROWS:
        return None
    uniform = math.log(settings.num_prototypes)
    entropy, kl = last[-1]["teacher_entropy"], last[-1]["kl"]
    if all(uniform - row["teacher_entropy"] < UNIFORM_MARGIN and row["kl"] < UNIFORM_KL for row in last):
        cause, remedy = _cause_of_uniform(last[-1], settings)
        evidence = (
            f"the teacher's output is uniform for every image (entropy {entropy:.3f}, ln K = {uniform:.3f}) and "
            f"the student agrees (KL {kl:.4f})"
        )
        return Collapse(kind="uniform", evidence=evidence, cause=cause, remedy=remedy)
    if all(row["teacher_entropy"] < ONE_DIMENSION_ENTROPY and row["kl"] < ONE_DIMENSION_KL for row in last):
        cause, remedy = _cause_of_one_dimension(last[-1], settings)
        evidence = (
            f"the teacher chooses the same prototype for every image (entropy {entropy:.3f}, KL {kl:.4f})"
        )
        return Collapse(kind="one dimension", evidence=evidence, cause=cause, remedy=remedy)
    swing = _swing([row["teacher_entropy"] for row in rows[-NUM_ROWS:]]) / uniform
    if swing > SWING and not settings.teacher_jumps:
        cause, remedy = _cause_of_swing(last[-1])
        evidence = (
            f"the teacher's outputs alternate between one prototype and many (its entropy changes by {swing:.0%} "
            "of ln K from row to row, and back)"
        )
        return Collapse(kind="no stable answer", evidence=evidence, cause=cause, remedy=remedy)
    return None


def diagnose_training(rows: Sequence[Mapping[str, float]], config: PretrainConfig) -> Collapse | None:
    """The collapse that a training's history shows so far; None if there is none."""
    return diagnose(rows, Settings.of(to_dict(config)))


def _swing(entropies: Sequence[float]) -> float:
    """Mean change from row to row that is reversed later; 0 while the entropy only rises or only falls."""
    if len(entropies) < NUM_ROWS:
        return 0.0
    changes = [later - earlier for earlier, later in pairwise(entropies)]
    return (sum(map(abs, changes)) - abs(sum(changes))) / len(changes)


def _cause_of_uniform(row: Mapping[str, float], settings: Settings) -> tuple[str, str]:
    if row["teacher_temperature"] >= settings.student_temperature:
        return (
            f"the teacher (temperature {row['teacher_temperature']:g}) is no sharper than the student "
            f"({settings.student_temperature:g})",
            "lower pretrain.schedules.teacher_temperature to 0.04",
        )
    return _cause_of_either(row) or (
        "two views of one image have as little in common as views of two images, or there are too many "
        "prototypes",
        "check the views (with smaller pretrain.multi_crop areas and stronger colours they share less), then "
        "lower pretrain.schedules.teacher_temperature to 0.02 or pretrain.projection_head.num_prototypes",
    )


def _cause_of_one_dimension(row: Mapping[str, float], settings: Settings) -> tuple[str, str]:
    if settings.centering == "none":
        return "the targets are not centered", "set pretrain.loss.centering to center"
    if settings.centering == "center" and settings.center_momentum > _SLOW_CENTER:
        return (
            f"the center hardly moves (momentum {settings.center_momentum:g})",
            "set pretrain.loss.center_momentum to 0.9",
        )
    return _cause_of_either(row) or (
        f"the teacher is too sharp (temperature {row['teacher_temperature']:g})",
        "raise pretrain.schedules.teacher_temperature, below the student's temperature, or lengthen its warm-up",
    )


def _cause_of_swing(row: Mapping[str, float]) -> tuple[str, str]:
    return _cause_of_either(row) or (
        f"the steps are too large (learning rate {row['learning_rate']:g})",
        "lower pretrain.schedules.learning_rate, or clip harder (pretrain.optimizer.clip_gradient_norm)",
    )


def _cause_of_either(row: Mapping[str, float]) -> tuple[str, str] | None:
    if row["teacher_momentum"] >= _FAST_TEACHER:
        return None
    return (
        f"the teacher changes as fast as the student (momentum {row['teacher_momentum']:g})",
        "raise pretrain.schedules.teacher_momentum, to 0.996 in a long training and 0.98 in a short one",
    )
