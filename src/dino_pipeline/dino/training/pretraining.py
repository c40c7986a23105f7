"""Pretraining from images to a finished model. Every stop leaves progress to resume from."""

import torch

from dino_pipeline.dino.core.data.loader import worker_deaths_explained
from dino_pipeline.dino.core.distributed import barrier, rank
from dino_pipeline.dino.core.loop import train
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import finish
from dino_pipeline.dino.training.run import TrainingRun


def pretrain(spec: TrainingSpec, device: torch.device, stop: StopRequest) -> bool:
    """Train from the last checkpoint, if there is one, to the end or until a stop is requested.

    Returns:
        True when the model is finished, False when training stopped on request with its progress saved.

    Raises:
        NonFiniteError: the loss or gradient was not finite too often in a row; names step, process and rows.
        CollapseError: training collapsed, and its configuration says to stop; names kind, cause and remedy.
        MemoryError: a batch does not fit (names the micro-batch that does), or a loader worker was killed.
        ValueError: too many images cannot be read.
    """
    run = TrainingRun(spec, device, stop)
    run.begin()
    with worker_deaths_explained(spec.launch.loader_workers, spec.pretrain.batch_size):
        is_whole = train(run.training, run)
    if not is_whole:
        return False
    final = run.state.state_dict()
    verdict = run.verdict()
    if rank() == 0:
        finish(spec, final, data_digest=run.manifest.digest(), verdict=verdict)
    barrier()
    return True
