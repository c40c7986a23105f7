"""The data that a model was trained on, and whether they can still be had."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest
from dino_pipeline.model_registry.lineage.from_dvc import from_dvc
from dino_pipeline.model_registry.lineage.image_files import ImagesState, check_images
from dino_pipeline.model_registry.lineage.manifests import Kept
from dino_pipeline.model_registry.lineage.part import Part

_SHOWN = 3  # file names


class Data(NamedTuple):
    """Data as a part of a lineage, and whether every image lies here now."""

    part: Part
    are_here: bool


def data_of(
    digest: str | None, kept: Kept | None, project: Path, *, commit: str | None, num_hashed: int | None
) -> Data:
    """What became of a data version: its manifest, then its images.

    Args:
        digest: of the data, as the model records it.
        kept: its manifest, where one was found.
        commit: where DVC is asked for images that are not here.
        num_hashed: see `check_images`.
    """
    if digest is None:
        return Data(Part("trained elsewhere, on data that no run here recorded", is_obtainable=False), False)
    if kept is None:
        text = f"digest {digest[:12]}: no manifest is left, neither in MLflow nor in data/ nor in DVC"
        return Data(Part(text, is_obtainable=False), False)
    manifest = kept.manifest
    counts = ", ".join(f"{split} {len(manifest.split(split)):,}" for split in SPLITS)
    known = f"digest {digest[:12]}: {len(manifest):,} images ({counts}), {kept.place}; "
    state = check_images(manifest, num_hashed=num_hashed)
    if not state.missing and not state.changed:
        text = f"{known}all files are here ({state.num_hashed:,} hashed again)"
        return Data(Part(text, is_obtainable=True), True)
    in_dvc = commit is not None and not state.changed and _dvc_has(manifest, state, project, commit)
    lost = _described(manifest, state)
    text = known + (f"{lost}; DVC has them: dvc pull" if in_dvc else lost)
    return Data(Part(text, is_obtainable=in_dvc), False)


def _dvc_has(manifest: Manifest, state: ImagesState, project: Path, commit: str) -> bool:
    """Whether DVC brings the first and the last missing file, each with the bytes that the manifest says."""
    for position in {state.missing[0], state.missing[-1]}:
        row = manifest.table.slice(position, 1).to_pylist()[0]
        content = None if Path(row["path"]).is_absolute() else from_dvc(project, commit, row["path"])
        if content is None:
            return False
        if row["member"] is None and hashlib.sha256(content).hexdigest() != row["sha256"]:
            return False
    return True


def _described(manifest: Manifest, state: ImagesState) -> str:
    paths = manifest.table["path"].to_pylist()
    parts = []
    for word, positions in (("missing", state.missing), ("changed", state.changed)):
        if positions:
            names = ", ".join(dict.fromkeys(paths[position] for position in positions[:_SHOWN]))
            more = ", ..." if len(positions) > _SHOWN else ""
            parts.append(f"{len(positions):,} images are {word}: {names}{more}")
    return "; ".join(parts)
