"""Look up a model by any of its names: a recipe, a run, a registered version, a fingerprint, a folder, a file."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, get_args

from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.dino.weights.foreign_weights import PretrainedWeights, Wanted
from dino_pipeline.dino.weights.importing import describe_import
from dino_pipeline.dino.weights.pretrained_weights import TIMM, read_timm_weights, read_weights
from dino_pipeline.dino.weights.published import (
    DESCRIPTION,
    Network,
    PublishedModel,
    load_backbone,
    read_model,
)
from dino_pipeline.dino.weights.tensor_names import backbone_weights
from dino_pipeline.dino.weights.weight_files import WEIGHT_FILES

_FINGERPRINT = re.compile(r"(?:.+-)?(?P<digits>[0-9a-f]{4,64})")  # also a run's name, <recipe>-<digits>


class PublishedWeights(NamedTuple):
    """The folder of a published model, and one of its networks."""

    folder: Path
    network: Network


class ForeignWeights(NamedTuple):
    """Weights from elsewhere: the name of their file or of timm's model, and what was read."""

    source: str
    weights: PretrainedWeights


class LoadedModel(NamedTuple):
    """A model ready to use, in evaluation mode, on CPU, in float32.

    Attributes:
        folder: of a published model; None for weights from elsewhere.
        notes: lines for the user about weights from elsewhere.
    """

    description: PublishedModel
    backbone: Backbone
    network: Network
    folder: Path | None
    notes: tuple[str, ...]


def load_model(name: str, project: Path | None, config: ModelConfig) -> LoadedModel:
    """Load the model that `name` names.

    Args:
        name: see `find_model`; a relative path starts at the current folder, or at the project.
        project: the project's folder, or None outside of projects.
        config: how to read weights from elsewhere; its `checkpoint` is not used.

    Raises:
        ValueError: nothing has this name, or its weights cannot be read.
    """
    found = find_model(name, project, config, here=Path())
    if isinstance(found, PublishedWeights):
        backbone = load_backbone(*found)
        return LoadedModel(read_model(found.folder), backbone, found.network, found.folder, ())
    source, weights = found
    normalisation = (config.mean, config.std)
    description = describe_import(weights, source, normalisation=normalisation, multi_crop={}, recipe="")
    backbone = build_backbone(weights.backbone)
    backbone.model.load_state_dict(backbone_weights(weights.networks["teacher"]))
    notes = weights.notes
    if weights.normalisation is None:
        mean, std = config.mean, config.std
        notes += (
            f"{source}: pixels are normalised by mean {list(mean)} and std {list(std)} (model.mean, model.std)",
        )
    return LoadedModel(description, backbone.eval(), "teacher", None, notes)


def find_model(
    name: str, project: Path | None, config: ModelConfig, *, here: Path
) -> PublishedWeights | ForeignWeights:
    """Find a model of this project, or read weights from elsewhere.

    Args:
        name: as for `find_weights`; or a file of weights, a folder that transformers wrote, or `timm:<name>`.
        project: the project's folder, or None outside of projects.
        config: how to read weights from elsewhere.
        here: relative paths start here, or else at the project.

    Raises:
        ValueError: nothing has this name, or its weights cannot be read.
    """
    if name.startswith(TIMM):
        return ForeignWeights(name, read_timm_weights(name.removeprefix(TIMM), config.timm_file))
    path = path_of_weights(name, project, here=here)
    if path is None:
        return find_weights(name, project, here=here)
    wanted = Wanted(required=config.required, options=config.options, prefix=config.prefix)
    return ForeignWeights(path.name, read_weights(path, wanted))


def path_of_weights(name: str, project: Path | None, *, here: Path) -> Path | None:
    """The file or the transformers folder of weights from elsewhere; None if `name` names a model of a project."""
    if _published(name, project, here):
        return None
    for path in _paths(name, project, here):
        if path.is_file() or _holds_weights(path):
            return path
    first = _paths(name, project, here)[0]
    if first.is_dir():
        return first if any(file.suffix in WEIGHT_FILES for file in first.iterdir()) else None
    is_path = Path(name).suffix.lower() in WEIGHT_FILES or name.startswith((".", "/", "~"))
    return first if is_path else None


def find_weights(name: str, project: Path | None, *, here: Path = Path()) -> PublishedWeights:
    """Find the weights that `name` names: the teacher's, unless it is a file of the student.

    Args:
        name: a model's folder or one of its .safetensors files; a recipe, whose model is searched in the
            project's data/06_models; a fingerprint or the start of one, also an earlier one; an MLflow run id; a
            registered version, `name@alias` or `name/3`.
        project: the project's folder, or None outside of projects.
        here: relative paths start here, or else at the project.

    Raises:
        ValueError: nothing has this name, or its weights are not on this machine.
    """
    named = _published(name, project, here)
    if named:
        return named
    if project is None:
        raise ValueError(
            f"there is no model {name!r} here, and no project: give a file of weights, a model's folder or timm:NAME; "
            "or name a model of a project from inside it, or with --project DIR"
        )
    models = project / "data" / "06_models"
    called = _of_fingerprint(models, name)
    if called:
        return PublishedWeights(called, "teacher")

    from dino_pipeline.tracking import configure
    from dino_pipeline.tracking.tracker import fingerprint_of

    fingerprint = fingerprint_of(name, configure(project))
    if fingerprint is None:
        raise ValueError(_unknown(name, project))
    found = _of_fingerprint(models, fingerprint)
    if found:
        return PublishedWeights(found, "teacher")
    raise ValueError(
        f"the weights of {name} (fingerprint {fingerprint[:8]}) are not on this machine: run `dvc pull` for the "
        "recipes' models, or give the model's folder."
    )


def with_paths_of_weights(config: PretrainConfig, project: Path) -> PretrainConfig:
    """Replace the names of our own models in `initial_weights` and `teacher.weights` by their folders.

    Raises:
        ValueError: nothing has such a name; the text names the parameter.
    """

    def located(name: str | None, key: str) -> str | None:
        if name is None or name.startswith(TIMM):
            return name
        try:
            path = path_of_weights(name, project, here=project)
            return str(path or find_weights(name, project, here=project).folder)
        except ValueError as error:
            raise ValueError(f"{key} is {name}: {error}") from error

    teacher = config.teacher
    return replace(
        config,
        initial_weights=located(config.initial_weights, "pretrain.initial_weights"),
        teacher=replace(teacher, weights=located(teacher.weights, "pretrain.teacher.weights")),
    )


def _published(name: str, project: Path | None, here: Path) -> PublishedWeights | None:
    """A published model by its path or its recipe."""
    for path in _paths(name, project, here):
        if path.is_file() and path.stem in get_args(Network) and (path.parent / DESCRIPTION).is_file():
            return PublishedWeights(path.parent, "student" if path.stem == "student" else "teacher")
    own = [project / "data" / "06_models" / name] if project else []
    for folder in (*_paths(name, project, here), *own):
        if (folder / DESCRIPTION).is_file():
            return PublishedWeights(folder, "teacher")
    return None


def _paths(name: str, project: Path | None, here: Path) -> list[Path]:
    path = Path(name).expanduser()
    return [here / path] if project is None else [here / path, project / path]


def _holds_weights(folder: Path) -> bool:
    return folder.is_dir() and any(
        (folder / name).exists()
        for name in ("config.json", "model.safetensors", "pytorch_model.bin", ".metadata")
    )


def _unknown(name: str, project: Path) -> str:
    path = Path(name).expanduser()
    models = project / "data" / "06_models"
    there = ", ".join(sorted(folder.name for folder in models.glob("*") if (folder / DESCRIPTION).is_file()))
    if path.is_dir() and (path / "data" / "06_models").is_dir():
        others = sorted((path / "data" / "06_models").glob(f"[!.]*/{DESCRIPTION}"))
        known = ", ".join(str(file.parent) for file in others) or "it has no trained model"
        return f"{name} is a project, not a model: give the folder of one of its models: {known}"
    if path.is_dir():
        return f"{name} is a folder without a model: give a model's folder (model.json) or a file of weights"
    if (project / "conf" / name).is_dir():
        return f"the recipe {name} has no model yet: train it with kedro run --env={name} --pipeline=pretrain"
    return (
        f"there is no model {name!r} in {project}: give a trained recipe ({there or 'there is none yet'}), a model's "
        "folder, a file of weights, timm:<name>, a fingerprint, an MLflow run id, or a registered name@alias or "
        "name/version."
    )


def _of_fingerprint(models: Path, name: str) -> Path | None:
    """The folder of the model with this fingerprint, or whose fingerprint alone starts with these digits."""
    match = _FINGERPRINT.fullmatch(name)
    if not match:
        return None
    found: dict[str, Path] = {}
    for folder in _folders(models):
        model = read_model(folder)
        if any(one.startswith(match["digits"]) for one in model.fingerprints):
            found.setdefault(model.fingerprint, folder)
    if len(found) > 1:
        raise ValueError(f"{name} is the start of several fingerprints, {', '.join(found)}: give more digits")
    return next(iter(found.values()), None)


def _folders(models: Path) -> Iterator[Path]:
    for pattern in (f"*/{DESCRIPTION}", f".in_progress/*/{FINISHED}/{DESCRIPTION}"):
        yield from (file.parent for file in sorted(models.glob(pattern)))
