"""Load a model by any of its names, with the parameters that prepare its images."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kedro.config import MissingConfigException
from pydantic import ValidationError

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.model_registry.model_lookup import LoadedModel, load_model
from dino_pipeline.recipes.reading import conf_of, recipe_parameters
from dino_pipeline.workspace.overlays import merged
from dino_pipeline.workspace.project_folder import project_around

_LARGEST_CROP = 224  # the published codes evaluate DINOv2 and DINOv3 at this size too
_SHARE = 7 / 8  # of the shorter side that a crop keeps: 224 of 256

Say = Callable[[str], None]


class Loaded(NamedTuple):
    """A model, and all parameters of the recipe that prepares its images."""

    model: LoadedModel
    parameters: dict[str, Any]


def load(name: str, project: Path | None, *, overrides: Mapping[str, Any], say: Say) -> LoadedModel:
    """Load the model that `name` names.

    Args:
        name: any name that `load_model` accepts.
        project: the project's folder; None outside of projects.
        overrides: nested values of `model`, which say how to read weights from elsewhere.
        say: receives a line for each thing that was guessed or left out.

    Raises:
        ValueError: the model does not exist, or its weights cannot be read.
    """
    values = _parameters("base", project, overrides)["model"]
    try:
        config = from_dict(ModelConfig, values)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        lines = "; ".join(f"model.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)
        raise ValueError(f"the parameters of weights from elsewhere are wrong: {lines}") from error
    model = load_model(name, project, config)
    for note in model.notes:
        say(note)
    return model


def load_with_parameters(
    name: str, project: Path | None, *, recipe: str | None, overrides: Mapping[str, Any], say: Say
) -> Loaded:
    """Load a model as `load` does, with the parameters that prepare its images.

    A model of another project has the parameters of its own project. Weights from elsewhere have those of base, and the
    size of crops that their network was made for.

    Args:
        recipe: the recipe whose parameters to use; None: the model's.
        overrides: nested values that override the recipe's.

    Raises:
        ValueError: the model or the recipe does not exist, or its weights cannot be read.
    """
    model = load(name, project, overrides=overrides, say=say)
    if model.folder is not None:
        own = project_around(model.folder.resolve()) or project
        return Loaded(model, _parameters(recipe or model.description.recipe, own, overrides))
    if recipe is not None:
        return Loaded(model, _parameters(recipe, project, overrides))
    resize, crop = _native_sizes(model.backbone)
    native = {"extract": {"resize": resize, "crop": crop}}
    if not {"resize", "crop"} & overrides.get("extract", {}).keys():
        say(
            f"{name}: images are resized to {resize} px and cropped to {crop} px, as its network expects "
            "(extract.resize, extract.crop)"
        )
    return Loaded(model, merged(_parameters("base", project, overrides), merged(native, overrides)))


def ingest_values(project: Path | None) -> dict[str, Any]:
    """The values of `ingest` of the project, or of this package, which limit what is read."""
    values: dict[str, Any] = _parameters("base", project, {})["ingest"]
    return values


def _parameters(recipe: str, project: Path | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    own = conf_of(project)
    try:
        # A project of `init` has its own recipes; the package's recipes work everywhere.
        return recipe_parameters(recipe, overrides, conf=own if (own / recipe).is_dir() else None)
    except MissingConfigException as error:
        raise ValueError(
            f"{error} Give a recipe with --recipe whose values of `extract` suit the model."
        ) from error


def _native_sizes(backbone: Backbone) -> tuple[int, int]:
    """Shorter side and crop, in px, that suit a network: those of its position embeddings, at most 256 and 224."""
    embedding = getattr(backbone.model, "patch_embed", None)
    native, patch = (_side(getattr(embedding, name, None)) for name in ("img_size", "patch_size"))
    crop = min(native or _LARGEST_CROP, _LARGEST_CROP)
    crop -= crop % (patch or 1)
    return round(crop / _SHARE), crop


def _side(size: Any) -> int:
    return int(size[0] if isinstance(size, tuple) else size or 0)
