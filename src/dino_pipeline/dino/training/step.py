"""One step of DINO: Algorithm 1 of arXiv:2104.14294."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from dino_pipeline.dino.distributed import rank, world_size
from dino_pipeline.dino.losses.dino_loss import dino_loss
from dino_pipeline.dino.models.batch_norm import running_statistics
from dino_pipeline.dino.models.drop_path import keep_masks
from dino_pipeline.dino.models.sharding import average_gradients
from dino_pipeline.dino.models.student_teacher import update_teacher
from dino_pipeline.dino.optimization.clipping import clip_each_gradient
from dino_pipeline.dino.optimization.config import OptimizerConfig
from dino_pipeline.dino.optimization.optimizers import set_scheduled
from dino_pipeline.dino.optimization.schedules import linearly_scaled, scheduled
from dino_pipeline.dino.optimization.skipping import not_finite_anywhere, step_unless
from dino_pipeline.dino.training.config import PretrainConfig
from dino_pipeline.dino.training.state import TrainingState


class Scheduled(NamedTuple):
    """The values in force at one step."""

    learning_rate: float
    backbone_learning_rate: float
    weight_decay: float
    teacher_momentum: float
    teacher_temperature: float
    last_layer_is_frozen: bool

    def slowed(self, factor: float) -> "Scheduled":
        """The same with a smaller learning rate."""
        return self._replace(
            learning_rate=factor * self.learning_rate,
            backbone_learning_rate=factor * self.backbone_learning_rate,
        )


class StepMetrics(NamedTuple):
    """Scalars on the device, of this process's part of the batch; reading one waits for the device."""

    loss: Tensor
    teacher_entropy: Tensor
    kl: Tensor
    gradient_norm: Tensor
    loss_is_finite: Tensor
    is_skipped: Tensor  # the same on every process


class Part(NamedTuple):
    """Crops that go through the networks at once: all of a process's, or one of several accumulated parts."""

    global_crops: Tensor  # [2, images, channels, G, G], normalised
    local_crops: Tensor  # [L, images, channels, l, l]
    positions: range  # of the images in the whole batch
    is_last: bool


def scheduled_values(config: PretrainConfig, step: int, num_steps: int) -> Scheduled:
    """All schedules at a step of a run of `num_steps`."""
    schedules = config.schedules
    learning_rate = scheduled(linearly_scaled(schedules.learning_rate, config.batch_size), step, num_steps)
    return Scheduled(
        learning_rate=learning_rate,
        backbone_learning_rate=learning_rate * _backbone_share(config.optimizer, step, num_steps),
        weight_decay=scheduled(schedules.weight_decay, step, num_steps),
        teacher_momentum=scheduled(schedules.teacher_momentum, step, num_steps),
        teacher_temperature=scheduled(schedules.teacher_temperature, step, num_steps),
        last_layer_is_frozen=step < round(config.optimizer.freeze_last_layer_fraction * num_steps),
    )


def training_step(
    state: TrainingState, config: PretrainConfig, global_crops: Tensor, local_crops: Tensor, now: Scheduled
) -> StepMetrics:
    """Move student, teacher and center by one step, in `accumulation_steps` parts if the batch is too large at once.

    Where the loss or the gradient is not finite, student, optimizer and center stay as they are, bit for bit; steps are
    counted on, so that schedules and the order of images do not shift.

    Args:
        global_crops: [2, batch, channels, G, G], normalised; `batch` is this process's part
        local_crops: [L, batch, channels, l, l], L may be 0
    """
    set_scheduled(
        state.optimizer,
        learning_rate=now.learning_rate,
        backbone_learning_rate=now.backbone_learning_rate,
        weight_decay=now.weight_decay,
    )
    state.optimizer.zero_grad()
    statistics = running_statistics(state.student, state.teacher)
    statistics_before = [values.clone() for values in statistics]
    losses, entropies, teacher_scores = [], [], []
    for part in _parts(global_crops, local_crops, config):
        with _gradients_averaged(state, when=part.is_last):
            with torch.autocast(global_crops.device.type, state.half, enabled=state.half is not None):
                with torch.no_grad():
                    teacher = state.teacher([part.global_crops])
                student = state.parallel_student(_by_size(part), _drop_path_masks(state, config, part))
            targets = state.center.targets(teacher, now.teacher_temperature)
            loss = dino_loss(student, targets, student_temperature=config.loss.student_temperature)
            state.scaler.scale(loss / config.accumulation_steps).backward()
        losses.append(loss.detach())
        entropies.append(torch.special.entr(targets).sum(dim=-1).mean())
        teacher_scores.append(teacher)

    state.scaler.unscale_(state.optimizer)
    gradients = [p.grad for p in state.student.parameters() if p.grad is not None]
    gradient_norm = clip_each_gradient(gradients, config.optimizer.clip_gradient_norm)
    if now.last_layer_is_frozen:
        for parameter in state.student.head.last_layer.parameters():
            parameter.grad = None  # a zero gradient would still be decayed
    loss, entropy = torch.stack(losses).mean(), torch.stack(entropies).mean()
    skip = not_finite_anywhere(loss, gradient_norm)
    step_unless(skip, state.optimizer, state.scaler)
    state.center.update(torch.cat(teacher_scores, dim=1), skip=skip)
    for values, before in zip(statistics, statistics_before, strict=True):
        values.copy_(torch.where(skip, before, values))
    update_teacher(state.teacher, state.student, now.teacher_momentum)
    state.step += 1

    # cross-entropy = H(p_t) + KL(p_t || p_s): KL -> 0 is collapse (section 5.3)
    return StepMetrics(loss, entropy, loss - entropy, gradient_norm, loss.isfinite(), skip)


def _backbone_share(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """Of the learning rate: 0 while the backbone is frozen, then as long again a line up to its scale."""
    num_frozen = round(config.freeze_backbone_fraction * num_steps)
    # Adam's moments fill while nothing moves, so that the first moving step is no jump.
    rise = min(max(0.0, (step + 1 - num_frozen) / num_frozen), 1.0) if num_frozen else 1.0
    return config.backbone_learning_rate_scale * rise


def part_of_batch(batch_size: int, process: int) -> range:
    """Which positions of every batch a process takes."""
    own = batch_size // world_size()
    return range(process * own, (process + 1) * own)


def _parts(global_crops: Tensor, local_crops: Tensor, config: PretrainConfig) -> Iterator[Part]:
    own = part_of_batch(config.batch_size, rank())
    size = len(own) // config.accumulation_steps
    for first in range(0, len(own), size):
        images = slice(first, first + size)
        is_last = first + size == len(own)
        yield Part(global_crops[:, images], local_crops[:, images], own[images], is_last)


def _by_size(part: Part) -> list[Tensor]:
    return [part.global_crops, part.local_crops] if len(part.local_crops) else [part.global_crops]


def _gradients_averaged(state: TrainingState, *, when: bool) -> AbstractContextManager[None]:
    """Gradients of several parts are summed here and averaged over processes once, with the last."""
    average_gradients(state.student, when=when)  # where weights are sharded
    if when or not isinstance(state.parallel_student, DistributedDataParallel):
        return nullcontext()
    return state.parallel_student.no_sync()


def _drop_path_masks(state: TrainingState, config: PretrainConfig, part: Part) -> Tensor | None:
    if not state.student.drop_paths:
        return None
    return keep_masks(
        state.student.drop_paths,
        seed=config.seed,
        step=state.step,
        num_crops=config.multi_crop.num_crops,
        batch=part.positions,
        batch_size=config.batch_size,
    )
