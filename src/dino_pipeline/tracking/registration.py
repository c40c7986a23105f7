"""Register a run's model as a version in MLflow's registry, now or after an outage."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
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
_CUT = "\n... the run's artifacts contain the whole text"


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
    earlier_tags: Sequence[Mapping[str, str]] = (),
) -> Registered | None:
    """Register a pyfunc model as a version and move the alias to it. An existing equal version is reused.

    Args:
        run: the model's run.
        registered_name: the registered model that gets the version.
        alias: moves to the version.
        tags: tags of the version.
        description: description of the version, Markdown; cut at MLflow's limit.
        contents: JSON-ready values that, with the tags, decide the model's files. Equal values mean the same version.
        write: runs for a new version. It writes files into the given temporary folder and returns the arguments
            of `mlflow.pyfunc.save_model`.
        earlier_tags: tags that older versions of this code gave the same model. Such a version is reused, too.

    Returns:
        the version; None where the store does not answer and the version is spooled.
    """
    registration, *earlier = (
        _digest({"tags": dict(one), "contents": dict(contents)}) for one in (tags, *earlier_tags)
    )
    version = {
        "name": registered_name,
        "alias": alias,
        "tags": {**tags, REGISTRATION_TAG: registration},
        "description": fitting(description),
    }
    numbers: list[int] = []

    def look(stored: StoredRun) -> None:
        with silence():
            each = (find_registered(stored.client, registered_name, one) for one in (registration, *earlier))
            found = next(filter(None, each), None)
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
    """The description, cut after a line to MLflow's limit."""
    if len(description) <= _MAX_DESCRIPTION_LENGTH:
        return description
    return description[: _MAX_DESCRIPTION_LENGTH - len(_CUT)].rpartition("\n")[0] + _CUT


def embedding_signature(num_features: int) -> "ModelSignature":
    """Images in, float32 [N, num_features] out.

    The signature describes only the output. An input schema would have to cover pixels of any size and also files.
    MLflow would check it before it calls the model: it answers an empty data frame with HTTP 500, and refuses
    pixels in a data frame. The model checks its input itself and gives readable errors.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    return ModelSignature(
        inputs=None,
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, num_features))]),
    )
