"""Lineage for people: of a model what made it, of data and images who saw them."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.model_registry.lineage.code import code_of, commit_of
from dino_pipeline.model_registry.lineage.data import data_of
from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model, known_models, model_of
from dino_pipeline.model_registry.lineage.parameters import parameters_of
from dino_pipeline.model_registry.lineage.seen import USED_AS, Image, sightings
from dino_pipeline.tracking import configure
from dino_pipeline.tracking.store import connect, plain_errors, quieten
from dino_pipeline.tracking.tracker import fingerprint_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SHA256 = re.compile(r"[0-9a-f]{64}")


def report(name: str, project: Path, *, num_hashed: int | None) -> str:
    """The lineage of whatever is called `name`.

    Args:
        name: an image's path, a sha256 (of data or an image), a registered version, or a run id.
        num_hashed: images that are hashed again, spread evenly; None: all.

    Raises:
        ValueError: nothing of this name is known, or MLflow's store does not answer.
    """
    store = configure(project)
    quieten()
    with plain_errors():
        client = connect(store)
    models = known_models(client, store)
    if _SHA256.fullmatch(name):
        if any(model.data_digest == name for model in models):
            return _of_data(name, models, client, project, num_hashed)
        return _of_image(name, Image(name, ()), models, client, project)
    path = Path(name).expanduser()
    fingerprint = None if path.is_file() else fingerprint_of(name, store)
    if fingerprint:
        return _of_model(model_of(models, fingerprint), models, client, project, num_hashed)
    return _of_image(name, _image_at(path, project), models, client, project)


def _of_model(
    model: Model, models: Sequence[Model], client: "MlflowClient", project: Path, num_hashed: int | None
) -> str:
    kept = find_manifest(model.data_digest, models, client, project) if model.data_digest else None
    commit = commit_of(model)
    parts = {
        "code": code_of(model, project),
        "data": data_of(model.data_digest, kept, project, commit=commit, num_hashed=num_hashed).part,
        "parameters": parameters_of(model, client),
    }
    run = f"{model.run.name} ({model.run.run_id}), {model.run.status}" if model.run else "not in this store"
    lines = [
        model.title,
        f"  fingerprint  {model.fingerprint}",
        f"  recipe       {model.recipe}",
        f"  MLflow run   {run}",
        *(f"  {name:<11}  {part.text}" for name, part in parts.items()),
    ]
    gone = [name for name, part in parts.items() if not part.is_obtainable]
    if gone:
        lines.append(f"can no longer be made again from what is here: {', '.join(gone)}")
    elif commit:
        command = f"git checkout {commit[:12]} && kedro run --env={model.recipe} --pipeline=pretrain"
        lines.append(f"again with: {command}\n  and --params for parameters that are not the recipe's")
    return "\n".join(lines) + "\n"


def _of_data(
    digest: str, models: Sequence[Model], client: "MlflowClient", project: Path, num_hashed: int | None
) -> str:
    own = [model for model in models if model.data_digest == digest]
    kept = find_manifest(digest, models, client, project)
    data = data_of(digest, kept, project, commit=commit_of(own[-1]), num_hashed=num_hashed)
    lines = [f"data {digest}", f"  {data.part.text}", f"models of these data: {len(own)}"]
    lines += [f"  {model.title}" for model in own]
    return "\n".join(lines) + "\n"


def _of_image(name: str, image: Image, models: Sequence[Model], client: "MlflowClient", project: Path) -> str:
    seen = sightings(image, models, client, project)
    lines = [f"image {name}" + (f"\n  sha256 {image.sha256}" if image.sha256 and image.paths else "")]
    lines += [
        f"  {one.model.title}: {USED_AS[one.split]} ({one.path}, {one.split})"
        + ("" if one.has_same_bytes else "; other bytes lay at this path then")
        for one in seen.found
    ]
    if not seen.found:
        lines.append("  no model saw it, as far as the manifests tell")
    if seen.unknown_data:
        digests = ", ".join(digest[:12] for digest in seen.unknown_data)
        lines.append(f"  nobody can say for the models of these data, whose manifest is gone: {digests}")
    return "\n".join(lines) + "\n"


def _image_at(path: Path, project: Path) -> Image:
    absolute = path.absolute()
    spellings = [str(path), str(absolute)]
    if absolute.is_relative_to(project):
        spellings.append(str(absolute.relative_to(project)))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return Image(sha256, spellings)
