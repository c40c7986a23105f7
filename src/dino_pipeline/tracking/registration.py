"""Register a run's model as a version in MLflow's registry, now or when the store answers again."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dino_pipeline.tracking.registry import REGISTRATION_TAG, describe, find_registered
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.runs import StoredRun
from dino_pipeline.tracking.store import silence

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

_MAX_DESCRIPTION_LENGTH = 5000
_CUT = "\n... the whole text is among the run's artifacts"


class Registered(NamedTuple):
    """A version of a registered model."""

    number: int
    is_new: bool


def register_version(
    run: ModelRun,
    *,
    registered_name: str,
    alias: str,
    tags: Mapping[str, str],
    description: str,
    contents: Mapping[str, Any],
    write: Callable[[Path], Mapping[str, Any]],
) -> Registered | None:
    """Register a pyfunc model as a version and move the alias to it; an equal version that exists is reused.

    Args:
        run: of the model.
        registered_name: the registered model whose version it is.
        alias: moved to the version.
        tags: of the version.
        description: of the version, Markdown; cut where MLflow takes no more.
        contents: JSON-ready values that with the tags decide the model's files; equal ones mean the same version.
        write: called for a new version. It writes files into the given temporary folder and returns the arguments
            of `mlflow.pyfunc.save_model`.

    Returns:
        the version; None where the store does not answer and the version is spooled.
    """
    registration = _digest({"tags": dict(tags), "contents": dict(contents)})
    version = {
        "name": registered_name,
        "alias": alias,
        "tags": {**tags, REGISTRATION_TAG: registration},
        "description": fitting(description),
    }
    numbers: list[int] = []

    def look(stored: StoredRun) -> None:
        with silence():
            found = find_registered(stored.client, registered_name, registration)
        if found is not None:
            describe(stored.client, version, found)
            numbers.append(int(found.version))

    run.ask(look)
    if numbers:
        return Registered(numbers[0], is_new=False)
    import mlflow.pyfunc  # takes seconds, and most runs find the version

    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model"
        model = write(Path(folder))
        with silence():
            mlflow.pyfunc.save_model(str(saved), **model)
        if not run.log_version(version, saved):
            return None
    run.ask(look)
    return Registered(numbers[0], is_new=True) if numbers else None


def _digest(contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:32]


def fitting(description: str) -> str:
    """The description, cut after a line to the length that MLflow takes."""
    if len(description) <= _MAX_DESCRIPTION_LENGTH:
        return description
    return description[: _MAX_DESCRIPTION_LENGTH - len(_CUT)].rpartition("\n")[0] + _CUT


def embedding_signature(num_features: int) -> "ModelSignature":
    """Images in, float32 [N, num_features] out.

    Only the output is described. A schema of the input would have to fit pixels of any size as well as files, and
    MLflow would check it before the model is asked: it answers an empty data frame with HTTP 500, and refuses
    pixels in one. The model checks its input itself, in words.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    return ModelSignature(
        inputs=None,
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, num_features))]),
    )
