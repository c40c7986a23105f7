"""Look up a model by any of its names: a folder, a file, a recipe, a run or a registered version."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.weights.published import DESCRIPTION, Network, read_model

_WEIGHT_FILES = {".pth", ".pt", ".bin", ".safetensors"}


class PublishedWeights(NamedTuple):
    """The folder of a published model, and one of its networks."""

    folder: Path
    network: Network


def is_weight_file(path: Path) -> bool:
    """Whether this is a file of weights outside a published model, hence without a description.

    Raises:
        ValueError: the name is a weight file's, but the file does not exist.
    """
    if path.suffix not in _WEIGHT_FILES:
        return False
    if not path.is_file():
        raise ValueError(f"{path} does not exist")
    return not (path.parent / DESCRIPTION).is_file()


def find_weights(name: str, project: Path) -> PublishedWeights:
    """Find the weights that `name` names: the teacher's, unless it is a file of the student.

    Args:
        name: a model's folder or one of its .safetensors files; a recipe, whose model is searched in the
            project's data/06_models; a fingerprint, also an earlier one; an MLflow run id; a registered version,
            `name@alias` or `name/3`.
        project: the project's folder.

    Raises:
        ValueError: nothing has this name, or its weights are not on this machine.
    """
    path = Path(name).expanduser()
    if path.is_file() and path.stem in get_args(Network) and path.suffix == ".safetensors":
        network: Network = "student" if path.stem == "student" else "teacher"
        return PublishedWeights(path.parent, network)
    models = project / "data" / "06_models"
    for folder in (path, models / name):
        if (folder / DESCRIPTION).is_file():
            return PublishedWeights(folder, "teacher")

    called = _of_fingerprint(models, name)
    if called:
        return PublishedWeights(called, "teacher")

    from dino_pipeline.tracking import configure
    from dino_pipeline.tracking.tracker import fingerprint_of

    fingerprint = fingerprint_of(name, configure(project))
    if fingerprint is None:
        there = ", ".join(
            sorted(folder.name for folder in models.glob("*") if (folder / DESCRIPTION).is_file())
        )
        raise ValueError(
            f"there is no model {name!r}: give a model's folder, one of its .safetensors files, a trained recipe "
            f"({there or 'there is none yet'}), an MLflow run id, or a registered name@alias or name/version."
        )
    found = _of_fingerprint(models, fingerprint)
    if found:
        return PublishedWeights(found, "teacher")
    raise ValueError(
        f"the weights of {name} (fingerprint {fingerprint[:8]}) are not on this machine: run `dvc pull` for the "
        "recipes' models, or give the model's folder."
    )


def _of_fingerprint(models: Path, fingerprint: str) -> Path | None:
    return next((one for one in _folders(models) if fingerprint in read_model(one).fingerprints), None)


def _folders(models: Path) -> Iterator[Path]:
    for pattern in (f"*/{DESCRIPTION}", f".in_progress/*/{FINISHED}/{DESCRIPTION}"):
        yield from (file.parent for file in sorted(models.glob(pattern)))
