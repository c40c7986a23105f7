"""Checks of a whole training: one that is killed and resumed, and the loader that feeds it."""

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from dino_pipeline.dino.core.data.dataset import MultiCropDataset, ReplacingDataset, ShuffledBatches
from dino_pipeline.dino.core.data.loader import MultiCropBatch, build_loader
from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.core.distributed import barrier, rank, world_size
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.doctor.device_checks import CheckFailedError, Finding, seconds_per_step
from dino_pipeline.dino.doctor.noise_jpegs import noise_jpegs
from dino_pipeline.dino.launching.cores import num_cores
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.training.run import pretrain

_STEPS_PER_EPOCH, _CHECKPOINT_EVERY, _KILLED_AFTER = 6, 5, 7  # of two epochs, 12 steps
_HEIGHT, _WIDTH = 375, 500  # ImageNet's mean
_LOADER_BATCH, _LOADER_STEPS = 8, 4


class _Undisturbed(StopRequest):
    """A stop request that never comes."""

    def __init__(self) -> None:
        """Leave signals as they are."""

    def agreed(self) -> bool:
        return False


class _KilledOnce(StopRequest):
    """Kills the first process after a number of steps, as the system does when memory runs out. Once."""

    def __init__(self, mark: Path, after: int) -> None:
        self.mark = mark
        self.left = after

    def agreed(self) -> bool:
        self.left -= 1
        if self.left == 0 and rank() == 0 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def resume(spec: TrainingSpec, device: torch.device) -> Finding:
    """A training whose first process is killed, and which torchrun starts again, ends as an undisturbed one does.

    Args:
        spec: its `folder` is empty at the first start.
    """
    folder = Path(spec.folder)
    if device.type == "cuda":
        torch.use_deterministic_algorithms(True)  # else two equal trainings differ in their last bits
    own = _small(spec, folder)
    undisturbed, killed = (replace(own, folder=str(folder / name)) for name in ("undisturbed", "killed"))
    if rank() == 0 and not (folder / "undisturbed").exists():
        num_images = (_STEPS_PER_EPOCH + 1) * own.pretrain.batch_size
        images = noise_jpegs(
            folder / "images", num_images=num_images, height=32, width=40, num_val=own.pretrain.batch_size
        )
        write_manifest(images, Path(own.manifest))
        for part in (undisturbed, killed):
            Path(part.folder).mkdir()
    barrier()
    if not (Path(undisturbed.folder) / FINISHED).is_dir():
        pretrain(undisturbed, device, _Undisturbed())
    mark = folder / "killed.mark"
    pretrain(killed, device, _KilledOnce(mark, _KILLED_AFTER))
    if not mark.exists():
        raise CheckFailedError("the training ended before it was killed")
    for network in ("teacher", "student"):
        one, other = (
            load_file(Path(part.folder) / FINISHED / f"{network}.safetensors")
            for part in (undisturbed, killed)
        )
        differing = [name for name, value in one.items() if not torch.equal(value, other[name])]
        if differing:
            raise CheckFailedError(
                f"after a kill and a resume, {len(differing)} of {len(one)} tensors of the {network} differ from those "
                "of an undisturbed training"
            )
    return Finding(f"killed after step {_KILLED_AFTER}, started again by torchrun, equal bit for bit")


def loader(config: PretrainConfig, folder: Path, device: torch.device) -> Finding:
    """Images a second that loader workers make of JPEGs; on a GPU beside those that steps of a ViT-S/16 take."""
    shape = replace(config.multi_crop, global_crop_size=224, local_crop_size=96, num_local_crops=10)
    backbone = replace(config.backbone, name="vit_small_patch16_224", options={}, drop_path_rate=0.0)
    config = replace(config, multi_crop=shape, batch_size=_LOADER_BATCH * world_size(), backbone=backbone)
    images = noise_jpegs(
        folder / f"jpegs-{rank()}", num_images=2 * _LOADER_BATCH, height=_HEIGHT, width=_WIDTH
    )
    num_workers = max(1, min(num_cores() // world_size(), 16))
    rate = loader_rate(config, images, num_workers=num_workers)
    text = (
        f"{num_workers} workers make {rate:.0f} images/s, {rate * shape.num_crops:.0f} views/s, of JPEGs of "
        f"{_HEIGHT} x {_WIDTH} px"
    )
    if device.type != "cuda":
        return Finding(text)  # steps would take the same cores
    taken = _LOADER_BATCH / seconds_per_step(config, device)
    text += f"; a ViT-S/16 takes {taken:.0f} images/s of a GPU"
    if rate >= taken:
        return Finding(f"{text}: workers keep up")
    return Finding(
        f"{text}: workers do not keep up",
        f"set launch.loader_workers to {num_workers} and launch.augment_on_device to true, or take more cores",
    )


def loader_rate(config: PretrainConfig, images: Manifest, *, num_workers: int) -> float:
    """Images a second of this process's loader, after the first batch, before which workers start."""
    batches = iter(loaded(config, images, num_workers=num_workers, num_steps=1 + num_workers * _LOADER_STEPS))
    next(batches)
    start = time.perf_counter()
    count = sum(batch.global_crops.shape[1] for batch in batches)
    return count / (time.perf_counter() - start)


def loaded(
    config: PretrainConfig,
    images: Manifest,
    *,
    num_workers: int,
    num_steps: int,
    augment_on_device: bool = False,
) -> Iterable[MultiCropBatch]:
    """This process's batches of a training on these images."""
    own = config.batch_size // world_size()
    order = ShuffledBatches(
        num_images=len(images), batch_size=own, part=range(own), seed=0, first_step=0, num_steps=num_steps
    )
    dataset = MultiCropDataset(
        images, config.images, config.multi_crop, seed=0, augment_on_device=augment_on_device
    )
    return build_loader(
        ReplacingDataset(dataset), order, num_workers=num_workers, pin_memory=torch.cuda.is_available()
    )


def _small(spec: TrainingSpec, folder: Path) -> TrainingSpec:
    pretrain = spec.pretrain
    side = pretrain.multi_crop.global_crop_size
    # Local crops of the native size: torch has no deterministic gradient of the position embedding's resampling.
    crops = replace(pretrain.multi_crop, local_crop_size=side)
    return replace(
        spec,
        manifest=str(folder / "manifest.parquet"),
        image_root=str(folder),
        pretrain=replace(
            pretrain,
            multi_crop=crops,
            epochs=2,
            batch_size=4 * world_size(),
            precision="fp32",
            max_hours=None,
        ),
        monitoring=replace(
            spec.monitoring, log_every_steps=1, checkpoint_every_steps=_CHECKPOINT_EVERY, num_trial_steps=0
        ),
    )
