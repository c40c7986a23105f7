"""One step of DINO: Algorithm 1 of arXiv:2104.14294."""

from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.distributed import rank, world_size
from dino_pipeline.dino.losses.dino_loss import dino_loss
from dino_pipeline.dino.models.drop_path import keep_masks
from dino_pipeline.dino.models.student_teacher import update_teacher
from dino_pipeline.dino.optimization.clipping import clip_each_gradient
from dino_pipeline.dino.optimization.optimizers import set_scheduled
from dino_pipeline.dino.optimization.schedules import linearly_scaled, scheduled
from dino_pipeline.dino.training.config import PretrainConfig
from dino_pipeline.dino.training.state import TrainingState


class Scheduled(NamedTuple):
    """The values in force at one step."""

    learning_rate: float
    weight_decay: float
    teacher_momentum: float
    teacher_temperature: float
    last_layer_is_frozen: bool


class StepMetrics(NamedTuple):
    """Scalars on the device, of this process's part of the batch; reading one waits for the device."""

    loss: Tensor
    teacher_entropy: Tensor
    kl: Tensor
    gradient_norm: Tensor


def scheduled_values(config: PretrainConfig, step: int, num_steps: int) -> Scheduled:
    """All schedules at a step of a run of `num_steps`."""
    schedules = config.schedules
    return Scheduled(
        learning_rate=scheduled(linearly_scaled(schedules.learning_rate, config.batch_size), step, num_steps),
        weight_decay=scheduled(schedules.weight_decay, step, num_steps),
        teacher_momentum=scheduled(schedules.teacher_momentum, step, num_steps),
        teacher_temperature=scheduled(schedules.teacher_temperature, step, num_steps),
        last_layer_is_frozen=step < round(config.optimizer.freeze_last_layer_fraction * num_steps),
    )


def training_step(
    state: TrainingState, config: PretrainConfig, global_crops: Tensor, local_crops: Tensor, now: Scheduled
) -> StepMetrics:
    """Move student, teacher and center by one step.

    Args:
        global_crops: [2, batch, 3, G, G], normalised; `batch` is this process's part
        local_crops: [L, batch, 3, l, l], L may be 0
    """
    device_type = global_crops.device.type
    with torch.autocast(device_type, torch.bfloat16, enabled=config.precision == "bf16"):
        with torch.no_grad():
            teacher_scores = state.teacher([global_crops])
        crops = [global_crops, local_crops] if len(local_crops) else [global_crops]
        student_scores = state.parallel_student(crops, _drop_path_masks(state, config, global_crops))

    targets = state.center.targets(teacher_scores, now.teacher_temperature)
    loss = dino_loss(student_scores, targets, student_temperature=config.loss.student_temperature)
    state.center.update(teacher_scores)

    set_scheduled(state.optimizer, learning_rate=now.learning_rate, weight_decay=now.weight_decay)
    state.optimizer.zero_grad()
    loss.backward()
    gradients = [p.grad for p in state.student.parameters() if p.grad is not None]
    gradient_norm = clip_each_gradient(gradients, config.optimizer.clip_gradient_norm)
    if now.last_layer_is_frozen:
        for parameter in state.student.head.last_layer.parameters():
            parameter.grad = None  # a zero gradient would still be decayed
    state.optimizer.step()

    update_teacher(state.teacher, state.student, now.teacher_momentum)
    state.step += 1

    entropy = torch.special.entr(targets).sum(dim=-1).mean()
    # cross-entropy = H(p_t) + KL(p_t || p_s): KL -> 0 is collapse (section 5.3)
    return StepMetrics(loss.detach(), entropy, loss.detach() - entropy, gradient_norm)


def part_of_batch(batch_size: int) -> range:
    """Which positions of every batch this process takes."""
    own = batch_size // world_size()
    return range(rank() * own, (rank() + 1) * own)


def _drop_path_masks(state: TrainingState, config: PretrainConfig, crops: Tensor) -> Tensor | None:
    if not state.student.drop_paths:
        return None
    masks = keep_masks(
        state.student.drop_paths,
        seed=config.seed,
        step=state.step,
        num_crops=config.multi_crop.num_crops,
        batch=part_of_batch(config.batch_size),
        batch_size=config.batch_size,
    )
    return masks.to(crops.device, non_blocking=True)
