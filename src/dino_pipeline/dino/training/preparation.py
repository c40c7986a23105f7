"""From images and parameters to a training that can be launched: weights found, values checked, its folder filled."""

from pathlib import Path

from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.checks import check
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.initial_weights import resolve, store
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
    """What `launch` trains, its manifest and initial weights copied to the training's own folder.

    Args:
        images: of all splits; the training reads train and validation.
        recipe: the name the model bears.
        project_folder: the images' paths, and that of initial weights, hang on it.
        training_folder: where trainings keep their progress, one folder a fingerprint.

    Raises:
        ValueError: the parameters fit neither one another, nor the images, nor this machine.
    """
    start = resolve(pretrain, root=project_folder)
    pretrain = resolved(start.config, images.split("train"))
    check(pretrain, monitoring, launch, images, num_processes=num_processes(launch.cpu_processes))
    identity = fingerprint(pretrain, images)
    if launch.adopt_progress:
        adopt(training_folder, launch.adopt_progress, identity)
    folder = progress_folder(training_folder, identity)
    if launch.resume_from:
        resume_from(project_folder / Path(launch.resume_from).expanduser(), folder, identity, pretrain)
    folder.mkdir(parents=True, exist_ok=True)
    # The training reads its own copy: whatever happens to the project's, a resume sees the same data.
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
