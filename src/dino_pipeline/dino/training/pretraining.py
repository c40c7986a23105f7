"""The pretraining loop: batches in, a finished model out; every stop leaves progress to resume from."""

import time

import torch

from dino_pipeline.dino.distributed import barrier, rank
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.training.batch import to_floats
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import finish
from dino_pipeline.dino.training.run import Run
from dino_pipeline.dino.training.step import scheduled_values, training_step


def pretrain(spec: TrainingSpec, device: torch.device, stop: StopRequest) -> bool:
    """Train from the last checkpoint, if there is one, to the end or until asked to stop.

    Returns:
        True when the model is finished, False when training stopped on request with its progress saved.

    Raises:
        FloatingPointError: the loss is not finite, naming the step.
        MemoryError: a batch does not fit, naming the part of it that does.
    """
    config = spec.pretrain
    run = Run(spec, device)
    run.begin()
    state, monitor = run.state, run.monitor

    asked_for_batch = time.perf_counter()
    for batch in run.batches():
        waited = time.perf_counter() - asked_for_batch
        now = scheduled_values(config, state.step, run.num_steps)
        metrics = training_step(state, config, *to_floats(batch, config, device), now)
        monitor.after_step(metrics, now, waited=waited)

        is_last = state.step == run.num_steps
        epoch, step_in_epoch = divmod(state.step, run.steps_per_epoch)
        at_evaluation = step_in_epoch == 0 and epoch % spec.monitoring.evaluate_every_epochs == 0
        monitor.write_due_row(
            state.step, last=is_last, evaluate=run.evaluate if at_evaluation or is_last else None
        )
        if stop.agreed(device) and not is_last:
            run.save()
            return False
        if is_last or state.step % spec.monitoring.checkpoint_every_steps == 0:
            run.save()
        asked_for_batch = time.perf_counter()

    final = state.state_dict()
    verdict = run.verdict()
    if rank() == 0:
        finish(spec, final, data_digest=run.manifest.digest(), verdict=verdict)
    barrier()
    return True
