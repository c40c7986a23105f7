"""Parts of methods that mean nothing together, each refused with what to change."""

from dino_pipeline.dino.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.losses.config import LossConfig
from dino_pipeline.dino.models.head_config import PredictorConfig
from dino_pipeline.dino.models.teacher_config import TeacherConfig


def refuse_meaningless(
    loss: LossConfig,
    teacher: TeacherConfig,
    predictor: PredictorConfig,
    multi_crop: MultiCropConfig,
    *,
    initial_weights: str | None,
) -> None:
    """Hold the parts of a training's method against one another.

    Raises:
        ValueError: naming the parameter, its value and the remedy.
    """
    if loss.name == "distillation" and teacher.learns:
        raise ValueError(
            f"pretrain.loss.name is distillation, and pretrain.teacher.name is {teacher.name}: who repeats itself of "
            "the same view learns nothing; set teacher.name to frozen"
        )
    if loss.name == "distillation" and multi_crop.num_local_crops:
        raise ValueError(
            f"pretrain.multi_crop.num_local_crops is {multi_crop.num_local_crops}, and pretrain.loss.name distillation "
            "compares views that the teacher sees, the global crops: set num_local_crops to 0"
        )
    if teacher.name != "peer":
        return
    if predictor.num_layers:
        raise ValueError(
            f"pretrain.predictor.num_layers is {predictor.num_layers}, and pretrain.teacher.name is peer: one answer "
            "would serve as the student's and as the teacher's; set num_layers to 0"
        )
    if initial_weights is not None:
        raise ValueError(
            f"pretrain.initial_weights is {initial_weights}, and pretrain.teacher.name is peer: two networks that "
            "begin as one have nothing to tell each other; set initial_weights to null"
        )
    if loss.name == "labels":
        raise ValueError(
            "pretrain.loss.name is labels, which asks no teacher, and pretrain.teacher.name is peer: set teacher.name "
            "to none"
        )
