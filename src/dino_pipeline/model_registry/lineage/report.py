"""Lineage as text: what made a model, and which models used data or an image."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.dino.weights.published import read_model
from dino_pipeline.dino.weights.weight_files import WEIGHT_FILES
from dino_pipeline.model_registry.lineage.image_usage import USED_AS, NamedImage, image_usage
from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model, known_models, model_of
from dino_pipeline.model_registry.lineage.provenance_items import code_item, data_item, parameters_item
from dino_pipeline.model_registry.model_lookup import find_weights
from dino_pipeline.tracking import configure
from dino_pipeline.tracking.store import Store, connect, plain_errors, quieten
from dino_pipeline.tracking.tracker import fingerprint_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNUSED = "  no model used it, according to the manifests"


def report(name: str, project: Path, *, num_hashed: int | None) -> str:
    """Report the lineage of `name`.

    Args:
        name: an image's path, a sha256 (of data or an image), or any name of a model of the project.
        num_hashed: number of evenly spaced images to hash again; None: all.

    Raises:
        ValueError: nothing has this name, or MLflow's store does not answer.
    """
    store = configure(project)
    quieten()
    with plain_errors():
        client = connect(store)
    models = known_models(client, store)
    if _SHA256.fullmatch(name):
        if any(name in model.data_digests for model in models):
            return _of_data(name, models, client, project, num_hashed)
        return _of_image(name, NamedImage(name, ()), models, client, project)
    path = Path(name).expanduser()
    is_image = path.is_file() and path.suffix not in WEIGHT_FILES
    fingerprint = None if is_image else _fingerprint(name, models, store, project)
    if fingerprint:
        return _of_model(model_of(models, fingerprint), models, client, project, num_hashed)
    text = _of_image(name, _image_at(path, project), models, client, project)
    if not path.is_file() and _UNUSED in text:
        find_weights(name, project)  # says what names a model has
    return text


def _fingerprint(name: str, models: Sequence[Model], store: Store, project: Path) -> str | None:
    if any(name in model.fingerprints for model in models):
        return name
    fingerprint = fingerprint_of(name, store)
    if fingerprint is None:
        try:
            fingerprint = read_model(find_weights(name, project).folder).fingerprint
        except ValueError:
            return None
        if not any(fingerprint in model.fingerprints for model in models):
            raise ValueError(
                f"{name} is the model {fingerprint}, which MLflow's store of {project} does not know: it is of another "
                "project (--project DIR), or its run was deleted"
            )
    return fingerprint


def _of_model(
    model: Model, models: Sequence[Model], client: "MlflowClient", project: Path, num_hashed: int | None
) -> str:
    stored = find_manifest(model.data_digest, models, client, project) if model.data_digest else None
    commit = model.commit
    items = {
        "code": code_item(model, project),
        "data": data_item(model.data_digest, stored, project, commit=commit, num_hashed=num_hashed).item,
        "parameters": parameters_item(model, client),
    }
    run = f"{model.run.name} ({model.run.run_id}), {model.run.status}" if model.run else "not in this store"
    lines = [
        model.title,
        f"  fingerprint  {', earlier '.join(model.fingerprints)}",
        f"  recipe       {model.recipe}",
        f"  MLflow run   {run}",
        *(f"  {name:<11}  {item.text}" for name, item in items.items()),
    ]
    lost = [name for name, item in items.items() if not item.is_obtainable]
    if lost:
        lines.append(f"cannot be trained again from this project; missing: {', '.join(lost)}")
    elif commit:
        command = f"git checkout {commit[:12]} && kedro run --env={model.recipe} --pipeline=pretrain"
        lines.append(
            f"train again with: {command}\n  and --params for parameters that differ from the recipe's"
        )
    return "\n".join(lines) + "\n"


def _of_data(
    digest: str, models: Sequence[Model], client: "MlflowClient", project: Path, num_hashed: int | None
) -> str:
    own = [model for model in models if digest in model.data_digests]
    stored = find_manifest(digest, models, client, project)
    data = data_item(digest, stored, project, commit=own[-1].commit, num_hashed=num_hashed)
    lines = [f"data {digest}", f"  {data.item.text}", f"models of this data: {len(own)}"]
    lines += [
        f"  {model.title}"
        + ("" if digest == model.data_digest else f"; its newest data is {(model.data_digest or '')[:12]}")
        for model in own
    ]
    return "\n".join(lines) + "\n"


def _of_image(
    name: str, image: NamedImage, models: Sequence[Model], client: "MlflowClient", project: Path
) -> str:
    usage = image_usage(image, models, client, project)
    lines = [f"image {name}" + (f"\n  sha256 {image.sha256}" if image.sha256 and image.paths else "")]
    lines += [
        f"  {one.model.title}: {USED_AS[one.split]} ({one.path}, {one.split})"
        + ("" if one.has_same_bytes else "; at that time the file had other contents")
        for one in usage.found
    ]
    if not usage.found:
        lines.append(_UNUSED)
    if usage.unknown_data:
        digests = ", ".join(digest[:12] for digest in usage.unknown_data)
        lines.append(f"  unknown for models of this data, because its manifest is missing: {digests}")
    return "\n".join(lines) + "\n"


def _image_at(path: Path, project: Path) -> NamedImage:
    absolute = path.absolute()
    spellings = [str(path), str(absolute)]
    if absolute.is_relative_to(project):
        spellings.append(str(absolute.relative_to(project)))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return NamedImage(sha256, spellings)
