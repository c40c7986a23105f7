"""One training step: Algorithm 1 of arXiv:2104.14294, and related methods built from the same components."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.core.losses.loss import LossInput, LossOutput
from dino_pipeline.dino.core.models.batch_norm import running_statistics
from dino_pipeline.dino.core.models.drop_path import keep_masks
from dino_pipeline.dino.core.models.sharding import average_gradients
from dino_pipeline.dino.core.models.student_teacher import teacher_logits, update_teacher
from dino_pipeline.dino.core.optimization.clipping import clip_each_gradient
from dino_pipeline.dino.core.optimization.optimizers import set_scheduled
from dino_pipeline.dino.core.optimization.skipping import not_finite_anywhere, step_unless
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import ScheduleValues
from dino_pipeline.dino.core.state import TrainingState


class StepMetrics(NamedTuple):
    """Scalars for this process's part of the batch. They stay on the device; reading one waits for the device."""

    values: dict[str, Tensor]  # keys: loss, the loss's own metrics, gradient_norm
    loss_is_finite: Tensor
    is_skipped: Tensor  # equal on every process

    @property
    def loss(self) -> Tensor:
        """The loss before the step's update."""
        return self.values["loss"]


class MicroBatch(NamedTuple):
    """Crops that go through the networks together: all or some of this process's part of the batch."""

    global_crops: Tensor  # [2, images, channels, G, G], normalised
    local_crops: Tensor  # [L, images, channels, l, l]
    labels: Tensor | None  # [images]
    positions: range  # positions of the images in the whole batch
    is_last: bool


def training_step(
    state: TrainingState,
    config: PretrainConfig,
    global_crops: Tensor,
    local_crops: Tensor,
    values: ScheduleValues,
    labels: Tensor | None = None,
) -> StepMetrics:
    """Update student, teacher and losses by one step, in `accumulation_steps` micro-batches.

    If the loss or the gradient is not finite, student, optimizer and loss stay unchanged, bit for bit. The step still
    counts, so that schedules and the order of images do not shift.

    Args:
        global_crops: [2, batch, channels, G, G], normalised; `batch` is this process's part
        local_crops: [L, batch, channels, l, l]; L may be 0
        values: the schedules' values for this step
        labels: [batch], for a loss that needs them
    """
    set_scheduled(
        state.optimizer,
        learning_rate=values.learning_rate,
        backbone_learning_rate=values.backbone_learning_rate,
        weight_decay=values.weight_decay,
    )
    state.optimizer.zero_grad()
    statistics = running_statistics(state.student, state.teacher)
    statistics_before = [tensor.clone() for tensor in statistics]
    loss_outputs: list[LossOutput] = []
    # One list per micro-batch, with one entry per learner: the student, then its peer if there is one.
    all_teacher_logits: list[list[Tensor]] = []
    for micro_batch in _micro_batches(global_crops, local_crops, labels, config):
        with _gradients_averaged(state, when=micro_batch.is_last):
            with torch.autocast(global_crops.device.type, state.half, enabled=state.half is not None):
                outputs = [
                    learner.parallel(_by_size(micro_batch), masks)
                    for learner, masks in zip(
                        state.learners, _drop_path_masks(state, config, micro_batch), strict=True
                    )
                ]
                targets = teacher_logits(config.teacher, state.teacher, micro_batch.global_crops, outputs)
            for learner, own, target in zip(state.learners, outputs, targets, strict=True):
                loss_input = LossInput(
                    own.logits,
                    own.features,
                    own.embeddings,
                    target,
                    values.teacher_temperature,
                    micro_batch.labels,
                )
                output = learner.loss(loss_input)
                state.scaler.scale(output.loss / config.accumulation_steps).backward()
                loss_outputs.append(output)
        all_teacher_logits.append([target.detach() for target in targets])

    state.scaler.unscale_(state.optimizer)
    networks = [learner.network for learner in state.learners]
    gradients = [p.grad for network in networks for p in network.parameters() if p.grad is not None]
    gradient_norm = clip_each_gradient(gradients, config.optimizer.clip_gradient_norm)
    if values.last_layer_is_frozen:
        for parameter in (p for network in networks for p in network.prototypes):
            parameter.grad = None  # weight decay would still apply to a zero gradient
    loss = torch.stack([output.loss for output in loss_outputs]).mean().detach()
    skip = not_finite_anywhere(loss, gradient_norm)
    if config.teacher.name == "previous_step":
        _update_teacher(state, config, values)
    step_unless(skip, state.optimizer, state.scaler)
    for learner, logits in zip(state.learners, zip(*all_teacher_logits, strict=True), strict=True):
        learner.loss.update(torch.cat(logits, dim=1), skip=skip)
    for tensor, before in zip(statistics, statistics_before, strict=True):
        tensor.copy_(torch.where(skip, before, tensor))
    if config.teacher.name != "previous_step":
        _update_teacher(state, config, values)
    state.step += 1
    own_metrics = {
        name: torch.stack([output.metrics[name] for output in loss_outputs]).mean().detach()
        for name in state.loss.metrics
    }
    return StepMetrics({"loss": loss, **own_metrics, "gradient_norm": gradient_norm}, loss.isfinite(), skip)


def _update_teacher(state: TrainingState, config: PretrainConfig, values: ScheduleValues) -> None:
    if not config.teacher.follows_student:
        return
    with_statistics = config.teacher.takes_statistics
    if state.snapshots is None:
        update_teacher(state.teacher, state.student, values.teacher_momentum, with_statistics=with_statistics)
    elif values.teacher_momentum == 0:  # the end of an epoch
        state.snapshots.take(state.student, state.teacher, with_statistics=with_statistics)


def part_of_batch(batch_size: int, process: int) -> range:
    """Positions of every batch that a process takes."""
    own = batch_size // world_size()
    return range(process * own, (process + 1) * own)


def _micro_batches(
    global_crops: Tensor, local_crops: Tensor, labels: Tensor | None, config: PretrainConfig
) -> Iterator[MicroBatch]:
    own = part_of_batch(config.batch_size, rank())
    size = len(own) // config.accumulation_steps
    for first in range(0, len(own), size):
        images = slice(first, first + size)
        is_last = first + size == len(own)
        own_labels = None if labels is None else labels[images]
        yield MicroBatch(global_crops[:, images], local_crops[:, images], own_labels, own[images], is_last)


def _by_size(micro_batch: MicroBatch) -> list[Tensor]:
    crops = [micro_batch.global_crops, micro_batch.local_crops]
    return crops if len(micro_batch.local_crops) else crops[:1]


@contextmanager
def _gradients_averaged(state: TrainingState, *, when: bool) -> Iterator[None]:
    """Sum the gradients of micro-batches on each process; average them over processes once, with the last one."""
    with ExitStack() as stack:
        for learner in state.learners:
            average_gradients(learner.network, when=when)  # for sharded weights
            if not when and isinstance(learner.parallel, DistributedDataParallel):
                stack.enter_context(learner.parallel.no_sync())
        yield


def _drop_path_masks(
    state: TrainingState, config: PretrainConfig, micro_batch: MicroBatch
) -> Sequence[Tensor | None]:
    """One tensor of masks per learner. A peer gets its own masks, drawn after the student's."""
    if not state.student.drop_paths:
        return [None for _ in state.learners]
    masks = keep_masks(
        state.student.drop_paths,
        seed=config.seed,
        step=state.step,
        num_crops=config.multi_crop.num_crops * len(state.learners),
        batch=micro_batch.positions,
        batch_size=config.batch_size,
    )
    return masks.chunk(len(state.learners), dim=1)
