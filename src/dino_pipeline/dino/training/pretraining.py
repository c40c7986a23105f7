"""The pretraining loop: batches in, a finished model out; every stop leaves progress to resume from."""

import logging
import time
from functools import partial
from pathlib import Path

import torch

from dino_pipeline.dino.config import to_dict
from dino_pipeline.dino.data.manifest import read_manifest
from dino_pipeline.dino.data.multi_crop_dataset import MultiCropDataset, ShuffledBatches, build_loader
from dino_pipeline.dino.distributed import barrier, rank
from dino_pipeline.dino.training.batch import to_floats
from dino_pipeline.dino.training.checkpoint import LAST, load_checkpoint, save_checkpoint
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import finish
from dino_pipeline.dino.training.monitor import Monitor
from dino_pipeline.dino.training.online_evaluation import OnlineEvaluation
from dino_pipeline.dino.training.preview import preview
from dino_pipeline.dino.training.state import TrainingState
from dino_pipeline.dino.training.step import part_of_batch, scheduled_values, training_step
from dino_pipeline.dino.training.stop import StopRequest

logger = logging.getLogger(__name__)


def pretrain(spec: TrainingSpec, device: torch.device, stop: StopRequest) -> bool:
    """Train from the last checkpoint, if there is one, to the end or until asked to stop.

    Returns:
        True when the model is finished, False when training stopped on request with its progress saved.

    Raises:
        FloatingPointError: the loss is not finite, naming the step.
    """
    config, folder = spec.pretrain, Path(spec.folder)
    manifest = read_manifest(Path(spec.manifest), Path(spec.image_root))
    images = manifest.split("train")
    steps_per_epoch = len(images) // config.batch_size
    num_steps = config.epochs * steps_per_epoch

    state = TrainingState(config, device)
    monitor = Monitor(folder, config, spec.monitoring, steps_per_epoch, device)
    if (folder / LAST).is_file():
        checkpoint = load_checkpoint(folder / LAST, device)
        state.load_state_dict(checkpoint["state"])
        monitor.restore(checkpoint["unwritten"])
        logger.info("resuming after step %d of %d", state.step, num_steps)
    monitor.start(state.step)
    evaluate = OnlineEvaluation(manifest, config, spec.monitoring, num_workers=spec.launch.loader_workers)

    def save() -> None:
        checkpoint = {
            "fingerprint": spec.fingerprint,
            "config": to_dict(config),
            "state": state.state_dict(),
            "unwritten": monitor.unwritten(),
        }
        if rank() == 0:
            save_checkpoint(checkpoint, folder / LAST)
        barrier()

    batches = ShuffledBatches(
        num_images=len(images),
        batch_size=config.batch_size,
        part=part_of_batch(config.batch_size),
        seed=config.seed,
        first_step=state.step,
        num_steps=num_steps,
    )
    dataset = MultiCropDataset(images, config.multi_crop, seed=config.seed)
    loader = build_loader(
        dataset, batches, num_workers=spec.launch.loader_workers, pin_memory=device.type == "cuda"
    )
    preview(
        state, config, loader, device, num_trial_steps=spec.monitoring.num_trial_steps, num_steps=num_steps
    )

    asked_for_batch = time.perf_counter()
    for batch in loader:
        got_batch = time.perf_counter()
        now = scheduled_values(config, state.step, num_steps)
        metrics = training_step(state, config, *to_floats(batch, config, device), now)
        monitor.after_step(metrics, now, waited=got_batch - asked_for_batch)

        last = state.step == num_steps
        epoch, step_in_epoch = divmod(state.step, steps_per_epoch)
        evaluation_due = not step_in_epoch and (epoch % spec.monitoring.evaluate_every_epochs == 0 or last)
        monitor.write_due_row(
            state.step, last=last, evaluate=partial(evaluate, state, device) if evaluation_due else None
        )
        if stop.agreed(device) and not last:
            save()
            return False
        if state.step % spec.monitoring.checkpoint_every_steps == 0 or last:
            save()
        asked_for_batch = time.perf_counter()

    if rank() == 0:
        finish(spec, state, data_digest=manifest.digest())
    barrier()
    return True
