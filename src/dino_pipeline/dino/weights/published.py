"""A finished model on disk: model.json, teacher.safetensors, student.safetensors, history.csv.

Imported weights have no history, and may have no student. A distilled model also has frozen_teacher.safetensors: the
backbone, of another architecture, that was its teacher.

Most callers read the description alone, and import no PyTorch for it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from dino_pipeline.dino.core.config import from_dict, frozen, to_dict
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.weights.older_files import completed

if TYPE_CHECKING:
    from torch import Tensor

    from dino_pipeline.dino.core.models.backbone import Backbone

DESCRIPTION = "model.json"
IMPORTED = "imported"
Network = Literal["teacher", "student"]
FROZEN_TEACHER = "frozen_teacher"


@frozen
class PublishedModel:
    """The description of a model, without times, ids or machine names: equal trainings publish equal bytes."""

    fingerprint: str
    data_digest: str
    recipe: str
    config: dict[str, Any]  # the resolved training parameters; for an import: backbone, mean, std, `imported`
    earlier_fingerprints: tuple[str, ...] = ()  # from older versions of this code, oldest first

    @property
    def imported(self) -> dict[str, Any] | None:
        """Source, kind, epoch and published accuracies of imported weights; None if this code trained them."""
        return self.config.get(IMPORTED)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """All fingerprints that identify the model: the current one, then earlier ones, newest first."""
        return (self.fingerprint, *reversed(self.earlier_fingerprints))


def write_model(
    folder: Path,
    description: PublishedModel,
    networks: Mapping[Network, "Mapping[str, Tensor]"],
    *,
    frozen_teacher: "Mapping[str, Tensor] | None" = None,
) -> None:
    """Write description and state dictionaries (float32, `backbone.model.*` and `head.*`) into an existing folder.

    Args:
        frozen_teacher: weights of the architecture that the description's configuration names.
    """
    for name, state in networks.items():
        _write_weights(folder / f"{name}.safetensors", state)
    if frozen_teacher is not None:
        _write_weights(folder / f"{FROZEN_TEACHER}.safetensors", frozen_teacher)
    (folder / DESCRIPTION).write_text(_text(description))


def _text(description: PublishedModel) -> str:
    return json.dumps(to_dict(description), indent=2, sort_keys=True) + "\n"


def add_identity(folder: Path, *, earlier: str, fingerprint: str) -> None:
    """Give a model a new fingerprint and record the earlier one in its description. A repeated call changes nothing."""
    model = read_model(folder)
    if model.fingerprint == fingerprint:
        return
    known = tuple(one for one in model.earlier_fingerprints if one != earlier)
    with written_whole(folder / DESCRIPTION) as partial:
        partial.write_text(
            _text(replace(model, fingerprint=fingerprint, earlier_fingerprints=(*known, earlier)))
        )


def _write_weights(file: Path, state: "Mapping[str, Tensor]") -> None:
    from safetensors.torch import save

    weights = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    weights = {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    file.write_bytes(save(weights))  # save_file would make it unreadable for other users (0600)


def read_model(folder: Path) -> PublishedModel:
    """Read a model's description.

    Raises:
        FileNotFoundError: the folder has no finished model.
    """
    if not (folder / DESCRIPTION).is_file():
        env = f" --env={folder.name}" if folder.parent.name == "06_models" else ""
        raise FileNotFoundError(
            f"there is no finished model in {folder}; train one with: kedro run{env} --pipeline=pretrain"
        )
    values = json.loads((folder / DESCRIPTION).read_text())
    if IMPORTED not in values.get("config", {IMPORTED: None}):
        values["config"] = completed({"pretrain": values["config"]})["pretrain"]
    return from_dict(PublishedModel, values)


def networks_of(folder: Path) -> list[Network]:
    """The networks of a model, teacher first."""
    return [name for name in get_args(Network) if (folder / f"{name}.safetensors").is_file()]


def architecture(model: PublishedModel) -> BackboneConfig:
    """The architecture of a model's backbone."""
    return from_dict(BackboneConfig, model.config["backbone"])


def load_backbone(folder: Path, network: Network = "teacher") -> "Backbone":
    """Load a published backbone in evaluation mode, on CPU, in float32."""
    return _loaded(architecture(read_model(folder)), folder / f"{network}.safetensors")


def frozen_teacher_config(model: PublishedModel) -> BackboneConfig | None:
    """The architecture of the frozen teacher that a model was distilled from; None if it was not distilled."""
    own = model.config.get("teacher", {}).get("backbone")
    return from_dict(BackboneConfig, own).for_images(model.config["images"]["channels"]) if own else None


def load_frozen_teacher(folder: Path) -> "Backbone":
    """Load the teacher that a distilled model was distilled from, in evaluation mode, on CPU, in float32."""
    config = frozen_teacher_config(read_model(folder))
    assert config is not None, "the model was not distilled"
    return _loaded(config, folder / f"{FROZEN_TEACHER}.safetensors")


def _loaded(config: BackboneConfig, file: Path) -> "Backbone":
    from safetensors.torch import load_file

    from dino_pipeline.dino.core.models.backbone import build_backbone

    backbone = build_backbone(config)
    prefix = "backbone."
    weights = load_file(file)
    backbone.load_state_dict(
        {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    )
    return backbone.eval()


def evaluation_transform(model: PublishedModel, *, resize: int, crop: int) -> EvaluationTransformConfig:
    """The preparation of images for evaluation: read and normalised as in the model's training."""
    own = {name: model.config[name] for name in ("images", "mean", "std")}
    return from_dict(EvaluationTransformConfig, {"resize": resize, "crop": crop, **own})
