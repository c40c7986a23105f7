"""From images and parameters to a training that can be launched: weights found, values checked, its folder filled."""

from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.checks import check
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.frozen_teacher import FROZEN_TEACHER
from dino_pipeline.dino.training.initial_weights import INITIAL, Start, resolve, store
from dino_pipeline.dino.training.progress import adopt, progress_folder, resume_from
from dino_pipeline.dino.training.resolution import resolved


class Prepared(NamedTuple):
    """A training that can run on these images and this machine; nothing is written yet."""

    spec: TrainingSpec
    images: Manifest  # of all splits
    asked: PretrainConfig  # as given: weights by their names, not by their hashes


def identify(images: Manifest, pretrain: PretrainConfig, *, root: Path) -> tuple[Start, str]:
    """What a training starts from, with its parameters as weights and images decide them, and its fingerprint.

    Args:
        images: of all splits.
        root: relative names of weights hang on this folder.

    Raises:
        ValueError: weights are not there or do not match, or mean and std cannot be measured.
    """
    start = resolve(pretrain, root=root)
    start = start._replace(config=resolved(start.config, images.split("train")))
    return start, fingerprint(start.config, images.digest())


def prepare(
    images: Manifest,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    *,
    recipe: str,
    project_folder: Path,
    training_folder: Path,
) -> Prepared:
    """Find out what would be trained, and whether it can be; writes nothing, so that any number may be prepared.

    Args:
        images: of all splits; the training reads train and validation.
        recipe: the name the model bears.
        project_folder: the images' paths, and that of initial weights, hang on it.
        training_folder: where trainings keep their progress, one folder a fingerprint.

    Raises:
        ValueError: the parameters fit neither one another, nor the images, nor this machine.
    """
    start, identity = identify(images, pretrain, root=project_folder)
    check(start.config, monitoring, launch, images, num_processes=num_processes(launch.cpu_processes))
    folder = progress_folder(training_folder, identity)
    spec = TrainingSpec(
        fingerprint=identity,
        recipe=recipe,
        manifest=str(folder / "manifest.parquet"),
        image_root=str(project_folder),
        folder=str(folder),
        pretrain=start.config,
        monitoring=monitoring,
        launch=launch,
    )
    return Prepared(spec, images, pretrain)


def fill_folder(prepared: Prepared) -> TrainingSpec:
    """Put into the training's own folder what it reads: manifest, initial weights, progress that it goes on from.

    One process at a time may do so; what is there already stays.

    Returns:
        What `launch` trains.

    Raises:
        ValueError: the progress to go on from is missing or another training's, or the weights have changed since.
    """
    spec, images, asked = prepared
    folder, project_folder = Path(spec.folder), Path(spec.image_root)
    if spec.launch.adopt_progress:
        adopt(folder.parent, spec.launch.adopt_progress, spec.fingerprint)
    if spec.launch.resume_from:
        checkpoint = project_folder / Path(spec.launch.resume_from).expanduser()
        resume_from(checkpoint, folder, spec.fingerprint, spec.pretrain)
    folder.mkdir(parents=True, exist_ok=True)
    # The training reads its own copy: whatever happens to the project's, a resume sees the same data.
    write_manifest(images, folder / "manifest.parquet")
    needed = {INITIAL: asked.initial_weights, FROZEN_TEACHER: asked.frozen_teacher}
    if not all((folder / file).is_file() for file, source in needed.items() if source):
        start = resolve(asked, root=project_folder)
        if _weights(start.config) != _weights(spec.pretrain):
            raise ValueError(
                "the weights that this training starts from have changed just now: start it again"
            )
        store(start, folder)
    return spec


def _weights(config: PretrainConfig) -> tuple[str | None, str | None]:
    """Hashes, of a configuration that is resolved."""
    return config.initial_weights, config.teacher.weights
