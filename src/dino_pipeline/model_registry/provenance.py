"""The origin and the licence of a model's initial weights. Facts that no record gives are reported as unknown."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dino_pipeline.dino.weights.published import DESCRIPTION, IMPORTED, read_model

UNKNOWN = "unknown"
OFFICIAL_LICENCE = "Apache-2.0 (https://github.com/facebookresearch/dino)"
_ORIGIN_TAG, _LICENCE_TAG = "weights_origin", "weights_licence"  # tags of a run
_TIMM = "timm:"
_SPEC = "spec.json"  # beside a training's checkpoint
# File names at https://dl.fbaipublicfiles.com/dino/.
_OFFICIAL = re.compile(
    r"dino_(deitsmall(8|16)|vitbase(8|16)|resnet50|xcit_(small_12|medium_24)_p(8|16))_pretrain(_full_checkpoint)?\.pth"
)


class Origin(NamedTuple):
    """Origin and licence, in words."""

    origin: str
    licence: str

    @property
    def tags(self) -> dict[str, str]:
        return {_ORIGIN_TAG: self.origin, _LICENCE_TAG: self.licence}


RANDOM = Origin("random weights", "none applies")


def origin_of_training(initial_weights: str | None, frozen_teacher: str | None, project: Path) -> Origin:
    """The origin of a training's initial weights and, for a frozen teacher, of the teacher's weights.

    Args:
        initial_weights: `pretrain.initial_weights`; None: random ones.
        frozen_teacher: `pretrain.teacher.weights`.
        project: its runs record the origin of its own models.
    """
    own = RANDOM if initial_weights is None else origin_of_weights(initial_weights, project)
    return own if frozen_teacher is None else _taught(own, origin_of_weights(frozen_teacher, project))


def origin_of_weights(name: str, project: Path) -> Origin:
    """The origin of the weights that `pretrain.initial_weights` or `model.checkpoint` names.

    Args:
        name: a file, a model's folder or `timm:<name>`; relative paths start at the project.
        project: its runs record the origin of its own models.
    """
    if name.startswith(_TIMM):
        return _origin_of_timm(name.removeprefix(_TIMM))
    path = project / Path(name).expanduser()
    folder = path if path.is_dir() else path.parent
    if (folder / DESCRIPTION).is_file():
        ours = read_model(folder)
        return _origin_of_ours(ours.fingerprint, ours.recipe, ours.config)
    if (folder / _SPEC).is_file():  # a checkpoint of our own training
        spec = json.loads((folder / _SPEC).read_text())
        return _origin_of_ours(spec["fingerprint"], spec["recipe"], spec["pretrain"])
    if _OFFICIAL.fullmatch(path.name):
        return Origin(
            f"official DINO weights, according to the file's name ({path.name}); its content was not checked",
            OFFICIAL_LICENCE,
        )
    return Origin(f"{path.name}, with no further record", UNKNOWN)


def origin_of_model(config: Mapping[str, Any], run_tags: Mapping[str, str]) -> Origin:
    """The origin of a model's initial weights, from its run or, without a run, from its parameters.

    Args:
        config: the published model's parameters, or a training's resolved parameters.
        run_tags: tags of its run; empty if it has no run.
    """
    if _ORIGIN_TAG in run_tags:
        return Origin(run_tags[_ORIGIN_TAG], run_tags[_LICENCE_TAG])
    imported, digest = config.get(IMPORTED), config.get("initial_weights")
    teacher = config.get("teacher", {}).get("weights")
    if imported is None and digest is None:
        own = RANDOM
    else:
        own = _unrecorded(imported["source"] if imported else f"a file of sha256 {digest}")
    return own if teacher is None else _taught(own, _unrecorded(f"a file of sha256 {teacher}"))


def _unrecorded(known: str) -> Origin:
    return Origin(f"{known}, with no record in this store", UNKNOWN)


def _taught(student: Origin, teacher: Origin) -> Origin:
    licences = (
        teacher.licence if student == RANDOM else f"{student.licence}; the teacher's: {teacher.licence}"
    )
    return Origin(f"{student.origin}, distilled from {teacher.origin}", licences)


def _origin_of_ours(fingerprint: str, recipe: str, config: Mapping[str, Any]) -> Origin:
    from dino_pipeline.tracking.tracker import run_tags

    first = origin_of_model(config, run_tags(fingerprint))
    return Origin(f"model {fingerprint} of recipe {recipe}, itself from {first.origin}", first.licence)


def _origin_of_timm(name: str) -> Origin:
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(name)
    where = settings and (settings.origin_url or settings.url)
    licence = settings and settings.license
    if name.endswith(".dino"):  # the authors' files; timm does not repeat their licence
        licence = OFFICIAL_LICENCE
    return Origin(f"timm's {name}" + (f" ({where})" if where else ""), licence or UNKNOWN)
