"""The pretraining loop: batches in, a finished model out; every stop leaves progress to resume from."""

import torch

from dino_pipeline.dino.core.data.loader import worker_deaths_explained
from dino_pipeline.dino.core.distributed import barrier, rank
from dino_pipeline.dino.core.scheduled import scheduled_values
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import finish
from dino_pipeline.dino.training.run import Run
from dino_pipeline.dino.training.skipped import NonFiniteError


def pretrain(spec: TrainingSpec, device: torch.device, stop: StopRequest) -> bool:
    """Train from the last checkpoint, if there is one, to the end or until asked to stop.

    Returns:
        True when the model is finished, False when training stopped on request with its progress saved.

    Raises:
        NonFiniteError: the loss or gradient was not finite too often in a row; names step, process and rows.
        CollapseError: training collapsed and is configured to stop then; names kind, cause and remedy.
        MemoryError: a batch does not fit, naming the part of it that does; or a loader worker was killed.
        ValueError: too many images cannot be read.
    """
    run = Run(spec, device)
    run.begin()
    while True:
        try:
            with worker_deaths_explained(spec.launch.loader_workers, spec.pretrain.batch_size):
                is_whole = _train(run, stop)
            break
        except NonFiniteError as error:
            run.roll_back(error)
    if not is_whole:
        return False
    final = run.state.state_dict()
    verdict = run.verdict()
    if rank() == 0:
        finish(spec, final, data_digest=run.manifest.digest(), verdict=verdict)
    barrier()
    return True


def _train(run: Run, stop: StopRequest) -> bool:
    """All steps that are left; False where a request to stop came before the last."""
    state, monitor = run.state, run.monitor
    config, monitoring = run.spec.pretrain, run.spec.monitoring
    for batch in run.batches():
        now = scheduled_values(config, state.step, run.num_steps, steps_per_epoch=run.steps_per_epoch).slowed(
            run.learning_rate_factor
        )
        labels = run.labels_of(batch)
        metrics = training_step(state, config, batch.global_crops, batch.local_crops, now, labels)
        monitor.unreadable.meet(batch.unreadable)
        monitor.after_step(metrics, now, waited=batch.waited)

        is_last = state.step == run.num_steps
        epoch, step_in_epoch = divmod(state.step, run.steps_per_epoch)
        at_evaluation = step_in_epoch == 0 and epoch % monitoring.evaluate_every_epochs == 0
        monitor.write_due_row(
            state.step, last=is_last, evaluate=run.evaluate if at_evaluation or is_last else None
        )
        if stop.agreed() and not is_last:
            run.save()
            return False
        is_due = state.step % monitoring.checkpoint_every_steps == 0
        # While steps are skipped the last good checkpoint stays: a rollback is to find weights from before.
        if is_last or (is_due and not monitor.is_skipping()):
            run.save()
    return True
