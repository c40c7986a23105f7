"""Prepare a training: resolve its initial weights, check its parameters, and fill its folder."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest, write_manifest
from dino_pipeline.dino.core.models.backbones.whitened_convnet import PATCH
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.shared_manifest import share_rows
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.training.frozen_teacher import FROZEN_TEACHER
from dino_pipeline.dino.training.initial_weights import INITIAL, Start, resolve, store
from dino_pipeline.dino.training.pixel_statistics import SAMPLE, patch_whitening, pixel_statistics
from dino_pipeline.dino.training.progress import adopt, progress_folder, resume_from
from dino_pipeline.dino.training.validation import check

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Prepared:
    """A checked training that can run on these images and this machine. Its folder is not filled yet."""

    spec: TrainingSpec
    images: Manifest  # all splits
    asked: PretrainConfig  # as given: weights named by path, not by hash
    start: Start | None  # the weights, until the folder holds them; None: read them again when it is filled


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
    """Check a training and compute its fingerprint. This writes nothing, so any number of trainings can be prepared.

    Args:
        images: all splits; the training reads train and validation.
        recipe: the name of the model.
        project_folder: paths of images and of initial weights are relative to it.
        training_folder: holds the progress of trainings, one folder per fingerprint.

    Raises:
        ValueError: the parameters do not fit one another, the images or this machine.
    """
    start, resolved_pretrain = _checked(
        images,
        pretrain,
        monitoring,
        launch,
        root=project_folder,
        num_processes=num_processes(launch.cpu_processes),
    )
    identity = fingerprint(resolved_pretrain, images)
    folder = progress_folder(training_folder, identity)
    spec = TrainingSpec(
        fingerprint=identity,
        recipe=recipe,
        manifest=str(folder / "manifest.parquet"),
        image_root=str(project_folder),
        folder=str(folder),
        pretrain=resolved_pretrain,
        monitoring=monitoring,
        launch=launch,
    )
    return Prepared(spec=spec, images=images, asked=pretrain, start=start)


def fill_folder(prepared: Prepared) -> TrainingSpec:
    """Write what the training reads into its own folder: manifest, initial weights, progress to continue from.

    Only one process at a time may call this. Existing files stay.

    Returns:
        The specification for `launch`.

    Raises:
        ValueError: the progress to continue from is missing or another training's, or the weights have changed.
    """
    spec, asked = prepared.spec, prepared.asked
    folder, project_folder = Path(spec.folder), Path(spec.image_root)
    if spec.launch.adopt_progress:
        adopt(folder.parent, spec.launch.adopt_progress, spec.fingerprint)
    if spec.launch.resume_from:
        checkpoint = project_folder / Path(spec.launch.resume_from).expanduser()
        resume_from(checkpoint, folder, spec.fingerprint, spec.pretrain)
    folder.mkdir(parents=True, exist_ok=True)
    # The training reads its own copy, so that a resume has the same data even if the project's manifest changes.
    write_manifest(prepared.images, folder / "manifest.parquet")
    if not (folder / FINISHED).is_dir():
        share_rows(prepared.images, folder / "manifest.parquet", folder)
    needed = {INITIAL: asked.initial_weights, FROZEN_TEACHER: asked.frozen_teacher}
    if not all((folder / file).is_file() for file, source in needed.items() if source):
        start = prepared.start or resolve(asked, root=project_folder)
        if _hashes(start.config) != _hashes(spec.pretrain):
            raise ValueError(
                "the initial weights of this training changed after they were checked: run the command again"
            )
        store(start, folder)
    prepared.start = None  # frees the memory while the workers train
    return spec


def _hashes(config: PretrainConfig) -> tuple[str | None, str | None]:
    """The hashes of the weights that a resolved configuration names."""
    return config.initial_weights, config.teacher.weights


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
    """Prepare a training in a given folder, whose workers another command starts, perhaps on another machine.

    Args:
        manifest: the file that ingest wrote; it stays where it is.
        image_root: the manifest's paths are relative to it.
        recipe: the name of the model.
        folder: holds the training's progress.

    Raises:
        ValueError: the parameters do not fit one another or the images.
    """
    images = read_manifest(manifest, image_root)
    start, pretrain = _checked(images, pretrain, monitoring, launch, root=Path(), num_processes=None)
    store(start, folder)
    return TrainingSpec(
        fingerprint=fingerprint(pretrain, images),
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
    """Read the initial weights, and resolve and check all parameters."""
    start = resolve(pretrain, root=root)
    config = resolved(start.config, images.split("train"))
    check(config, monitoring, launch, images, num_processes=num_processes)
    return start, config


def resolved(config: PretrainConfig, train: Manifest) -> PretrainConfig:
    """The configuration with `measured` mean, std and whitening as numbers, and with the backbone's channels set.

    Args:
        config: as given by the user.
        train: images of the train split; the measurement uses no other images.

    Raises:
        ValueError: an image is missing, or a channel has only one value.
    """
    config = replace(config, backbone=config.network)
    if "measured" in (config.mean, config.std):
        measured = pixel_statistics(train, config.images, seed=config.seed)
        asked = {name for name in ("mean", "std") if getattr(config, name) == "measured"}
        found = {name: getattr(measured, name) for name in sorted(asked)}
        logger.info("measured on %d train images: %s", min(SAMPLE, len(train)), found)
        config = replace(config, **found)
    if config.backbone.options.get("whitening") == "measured":
        numbers = patch_whitening(
            train,
            config.images,
            config.statistics,
            size=config.multi_crop.global_crop_size,
            patch=PATCH,
            seed=config.seed,
        )
        logger.info("measured the whitening of patches on %d train images", min(SAMPLE, len(train)))
        options = {**config.backbone.options, "whitening": numbers}
        config = replace(config, backbone=replace(config.backbone, options=options))
    return config
