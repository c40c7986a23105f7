"""One step of DINO, Algorithm 1 of arXiv:2104.14294, and of the methods made of its parts."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.core.losses.loss import Answers, Judged
from dino_pipeline.dino.core.models.batch_norm import running_statistics
from dino_pipeline.dino.core.models.drop_path import keep_masks
from dino_pipeline.dino.core.models.sharding import average_gradients
from dino_pipeline.dino.core.models.student_teacher import answers_to_follow, update_teacher
from dino_pipeline.dino.core.optimization.clipping import clip_each_gradient
from dino_pipeline.dino.core.optimization.optimizers import set_scheduled
from dino_pipeline.dino.core.optimization.skipping import not_finite_anywhere, step_unless
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.scheduled import Scheduled
from dino_pipeline.dino.core.state import TrainingState


class StepMetrics(NamedTuple):
    """Scalars on the device, of this process's part of the batch; reading one waits for the device."""

    loss: Tensor
    teacher_entropy: Tensor  # NaN, as KL, of a loss without distributions
    kl: Tensor
    gradient_norm: Tensor
    loss_is_finite: Tensor
    is_skipped: Tensor  # the same on every process


class Part(NamedTuple):
    """Crops that go through the networks at once: all of a process's, or one of several accumulated parts."""

    global_crops: Tensor  # [2, images, channels, G, G], normalised
    local_crops: Tensor  # [L, images, channels, l, l]
    labels: Tensor | None  # [images]
    positions: range  # of the images in the whole batch
    is_last: bool


def training_step(
    state: TrainingState,
    config: PretrainConfig,
    global_crops: Tensor,
    local_crops: Tensor,
    now: Scheduled,
    labels: Tensor | None = None,
) -> StepMetrics:
    """Move student, teacher and losses by one step, in `accumulation_steps` parts if the batch is too large at once.

    Where the loss or the gradient is not finite, student, optimizer and loss stay as they are, bit for bit; steps are
    counted on, so that schedules and the order of images do not shift.

    Args:
        global_crops: [2, batch, channels, G, G], normalised; `batch` is this process's part
        local_crops: [L, batch, channels, l, l], L may be 0
        labels: [batch], for the loss that asks for them
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
    judged: list[Judged] = []
    # Of each part, for each learner: the student, and its peer where it has one.
    followed: list[list[Tensor]] = []
    for part in _parts(global_crops, local_crops, labels, config):
        with _gradients_averaged(state, when=part.is_last):
            with torch.autocast(global_crops.device.type, state.half, enabled=state.half is not None):
                seen = [
                    learner.parallel(_by_size(part), masks)
                    for learner, masks in zip(
                        state.learners, _drop_path_masks(state, config, part), strict=True
                    )
                ]
                told = answers_to_follow(config.teacher, state.teacher, part.global_crops, seen)
            for learner, (scores, features), teacher in zip(state.learners, seen, told, strict=True):
                answers = Answers(scores, features, teacher, now.teacher_temperature, part.labels)
                judged.append(learner.loss(answers))
                state.scaler.scale(judged[-1].loss / config.accumulation_steps).backward()
        followed.append([teacher.detach() for teacher in told])

    state.scaler.unscale_(state.optimizer)
    networks = [learner.network for learner in state.learners]
    gradients = [p.grad for network in networks for p in network.parameters() if p.grad is not None]
    gradient_norm = clip_each_gradient(gradients, config.optimizer.clip_gradient_norm)
    if now.last_layer_is_frozen:
        for parameter in (p for network in networks for p in network.prototypes):
            parameter.grad = None  # a zero gradient would still be decayed
    loss, entropy, kl = (torch.stack(values).mean().detach() for values in zip(*judged, strict=True))
    skip = not_finite_anywhere(loss, gradient_norm)
    if config.teacher.name == "previous_step":
        _follow(state, config, now)
    step_unless(skip, state.optimizer, state.scaler)
    for learner, parts in zip(state.learners, zip(*followed, strict=True), strict=True):
        learner.loss.update(torch.cat(parts, dim=1), skip=skip)
    for values, before in zip(statistics, statistics_before, strict=True):
        values.copy_(torch.where(skip, before, values))
    if config.teacher.name != "previous_step":
        _follow(state, config, now)
    state.step += 1
    return StepMetrics(loss, entropy, kl, gradient_norm, loss.isfinite(), skip)


def _follow(state: TrainingState, config: PretrainConfig, now: Scheduled) -> None:
    if not config.teacher.follows_student:
        return
    with_statistics = config.teacher.takes_statistics
    if state.snapshots is None:
        update_teacher(state.teacher, state.student, now.teacher_momentum, with_statistics=with_statistics)
    elif now.teacher_momentum == 0:  # at an epoch's end
        state.snapshots.take(state.student, state.teacher, with_statistics=with_statistics)


def part_of_batch(batch_size: int, process: int) -> range:
    """Which positions of every batch a process takes."""
    own = batch_size // world_size()
    return range(process * own, (process + 1) * own)


def _parts(
    global_crops: Tensor, local_crops: Tensor, labels: Tensor | None, config: PretrainConfig
) -> Iterator[Part]:
    own = part_of_batch(config.batch_size, rank())
    size = len(own) // config.accumulation_steps
    for first in range(0, len(own), size):
        images = slice(first, first + size)
        is_last = first + size == len(own)
        own_labels = None if labels is None else labels[images]
        yield Part(global_crops[:, images], local_crops[:, images], own_labels, own[images], is_last)


def _by_size(part: Part) -> list[Tensor]:
    return [part.global_crops, part.local_crops] if len(part.local_crops) else [part.global_crops]


@contextmanager
def _gradients_averaged(state: TrainingState, *, when: bool) -> Iterator[None]:
    """Gradients of several parts are summed here and averaged over processes once, with the last."""
    with ExitStack() as stack:
        for learner in state.learners:
            average_gradients(learner.network, when=when)  # where weights are sharded
            if not when and isinstance(learner.parallel, DistributedDataParallel):
                stack.enter_context(learner.parallel.no_sync())
        yield


def _drop_path_masks(state: TrainingState, config: PretrainConfig, part: Part) -> Sequence[Tensor | None]:
    """Of each learner; a peer's are drawn after the student's, and differ."""
    if not state.student.drop_paths:
        return [None for _ in state.learners]
    masks = keep_masks(
        state.student.drop_paths,
        seed=config.seed,
        step=state.step,
        num_crops=config.multi_crop.num_crops * len(state.learners),
        batch=part.positions,
        batch_size=config.batch_size,
    )
    return masks.chunk(len(state.learners), dim=1)
