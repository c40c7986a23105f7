"""Prepare a training: find its initial weights, check its values, and fill its folder."""

from pathlib import Path

from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest, write_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.checks import check
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.initial_weights import Start, resolve, store
from dino_pipeline.dino.training.progress import adopt, progress_folder, resume_from
from dino_pipeline.dino.training.resolution import resolved


def prepare(
    images: Manifest,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    *,
    recipe: str,
    project_folder: Path,
    training_folder: Path,
) -> TrainingSpec:
    """A training that `launch` runs on this machine, with its manifest and initial weights in a folder of its own.

    Args:
        images: of all splits; the training reads train and validation.
        recipe: the name of the model.
        project_folder: paths of images and of initial weights are relative to it.
        training_folder: where trainings keep their progress, one folder a fingerprint.

    Raises:
        ValueError: the parameters do not fit one another, the images or this machine.
    """
    start, pretrain = _checked(
        images,
        pretrain,
        monitoring,
        launch,
        root=project_folder,
        num_processes=num_processes(launch.cpu_processes),
    )
    identity = fingerprint(pretrain, images.digest())
    if launch.adopt_progress:
        adopt(training_folder, launch.adopt_progress, identity)
    folder = progress_folder(training_folder, identity)
    if launch.resume_from:
        resume_from(project_folder / Path(launch.resume_from).expanduser(), folder, identity, pretrain)
    folder.mkdir(parents=True, exist_ok=True)
    # The training reads its own copy, so that a resume sees the same data whatever happens to the project's.
    write_manifest(images, folder / "manifest.parquet")
    store(start, folder)
    return TrainingSpec(
        fingerprint=identity,
        recipe=recipe,
        manifest=str(folder / "manifest.parquet"),
        image_root=str(project_folder),
        folder=str(folder),
        pretrain=pretrain,
        monitoring=monitoring,
        launch=launch,
    )


def prepare_for_workers(
    manifest: Path,
    image_root: Path,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    *,
    recipe: str,
    folder: Path,
) -> TrainingSpec:
    """A training whose workers another command starts, perhaps on another machine, in a folder that the caller names.

    Args:
        manifest: the file that ingest wrote; it stays where it is.
        image_root: the manifest's paths are relative to it.
        recipe: the name of the model.
        folder: where the training keeps its progress.

    Raises:
        ValueError: the parameters do not fit one another or the images.
    """
    images = read_manifest(manifest, image_root)
    start, pretrain = _checked(images, pretrain, monitoring, launch, root=Path(), num_processes=None)
    store(start, folder)
    return TrainingSpec(
        fingerprint=fingerprint(pretrain, images.digest()),
        recipe=recipe,
        manifest=str(manifest.absolute()),
        image_root=str(image_root.absolute()),
        folder=str(folder.absolute()),
        pretrain=pretrain,
        monitoring=monitoring,
        launch=launch,
    )


def _checked(
    images: Manifest,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    *,
    root: Path,
    num_processes: int | None,
) -> tuple[Start, PretrainConfig]:
    """The initial weights, and the parameters with everything resolved and checked."""
    start = resolve(pretrain, root=root)
    config = resolved(start.config, images.split("train"))
    check(config, monitoring, launch, images, num_processes=num_processes)
    return start, config
