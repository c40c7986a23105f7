"""Adopt a training of an earlier code version: rename its folder to today's fingerprint, without training again."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.partial import partial_path, written_whole
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.fingerprint import fingerprint
from dino_pipeline.dino.training.finish import EARLIER, FINISHED, earlier_fingerprints
from dino_pipeline.dino.training.kept_checkpoints import LAST
from dino_pipeline.dino.training.progress import SPEC, progress_folder
from dino_pipeline.dino.weights.older_files import completed
from dino_pipeline.dino.weights.published import DESCRIPTION, add_identity


class AdoptableTraining(NamedTuple):
    """A training that this code can continue or publish."""

    folder: Path  # named by the earlier fingerprint until `move`
    spec: TrainingSpec  # with today's fingerprint and paths

    @property
    def is_moved(self) -> bool:
        return self.folder.name == self.spec.fingerprint


def read_training(folder: Path) -> AdoptableTraining:
    """Read a training from its progress folder, whichever version of this code wrote it.

    Raises:
        ValueError: this code cannot read its spec.json or manifest; the message says why.
    """
    spec = from_dict(TrainingSpec, completed(json.loads((folder / SPEC).read_text())))
    manifest = folder / "manifest.parquet"
    identity = fingerprint(spec.pretrain, read_manifest(manifest, Path(spec.image_root)))
    now = progress_folder(folder.parent, identity)
    return AdoptableTraining(
        folder,
        replace(spec, fingerprint=identity, folder=str(now), manifest=str(now / manifest.name)),
    )


def check_free(training: AdoptableTraining) -> None:
    """Raise ValueError if another training already has today's fingerprint, so that `move` would lose one of them."""
    target = Path(training.spec.folder)
    is_finished = (training.folder / FINISHED).is_dir()
    if (target / FINISHED).is_dir() or ((target / LAST).is_file() and not is_finished):
        raise ValueError(f"there is already progress under its new fingerprint {target.name}")


def move(training: AdoptableTraining) -> Path:
    """Rename a training's folder to today's fingerprint, and return the new folder.

    The folder and the finished model's description list the earlier fingerprint; checkpoints keep it. The rename comes
    last, so that the same call can continue after a crash. A finished model replaces unfinished progress under the new
    fingerprint.

    Raises:
        ValueError: the new fingerprint has a finished model, or has progress while this training is unfinished.
    """
    folder, spec = training
    target = Path(spec.folder)
    check_free(training)
    known = earlier_fingerprints(folder)
    if folder.name not in known:
        with written_whole(folder / EARLIER) as partial:
            partial.write_text("".join(f"{one}\n" for one in (*known, folder.name)))
    if (folder / FINISHED / DESCRIPTION).is_file():
        add_identity(folder / FINISHED, earlier=folder.name, fingerprint=spec.fingerprint)
    with written_whole(folder / SPEC) as partial:
        partial.write_text(json.dumps(to_dict(spec), indent=2) + "\n")
    begun_again = partial_path(target)
    if target.is_dir():
        target.rename(begun_again)
    folder.rename(target)
    shutil.rmtree(begun_again, ignore_errors=True)
    return target
