"""Give earlier trainings the identity that this code computes. Folder, published models and MLflow follow."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from pydantic import ValidationError

from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.training.adoption import AdoptableTraining, check_free, move, read_training
from dino_pipeline.dino.training.checkpoint import checkpoint_step
from dino_pipeline.dino.training.finish import FINISHED, earlier_fingerprints
from dino_pipeline.dino.training.kept_checkpoints import LAST
from dino_pipeline.dino.training.progress import SPEC
from dino_pipeline.dino.weights.published import DESCRIPTION, add_identity, read_model
from dino_pipeline.ingestion.splits import write_kept_splits
from dino_pipeline.tracking.store import Store
from dino_pipeline.tracking.tracker import rename_model
from dino_pipeline.workspace.run_lock import FOLDER, run_lock


def adopt(project: Path, store: Store, fingerprints: Sequence[str] | None) -> Iterator[str]:
    """Give trainings their present identity, one after the other. Yields a line with the result of each.

    A training that cannot be adopted stays unchanged, and the others continue. After a kill, or on a second call, the
    same call completes the rest and changes nothing else. A study's trials keep their earlier fingerprint in their
    attributes, which still finds the model.

    Args:
        project: the project's folder.
        store: MLflow's store with their runs.
        fingerprints: names of their folders below data/06_models/.in_progress; None: all.

    Raises:
        ValueError: no training has such a fingerprint.
    """
    models = project / "data" / "06_models"
    folders = sorted(folder for folder in (models / ".in_progress").glob("[!.]*") if folder.is_dir())
    if fingerprints is not None:
        unknown = set(fingerprints) - {name for folder in folders for name in _names(folder)}
        if unknown:
            known = ", ".join(folder.name for folder in folders) or "none"
            raise ValueError(f"there is no training {', '.join(sorted(unknown))}; existing: {known}")
        folders = [folder for folder in folders if not _names(folder).isdisjoint(fingerprints)]
    for folder in folders:
        try:
            yield f"{folder.name}: {_adopt_one(folder, models, project, store)}"
        except (ValueError, OSError) as error:
            yield f"{folder.name}: not changed, {_in_short(error)}"


def _adopt_one(folder: Path, models: Path, project: Path, store: Store) -> str:
    if not (folder / SPEC).is_file():
        return f"keeps its fingerprint: it was not trained here (no {SPEC})"
    training = read_training(folder)
    what = f"recipe {training.spec.recipe}, {_state(training)}"
    if training.is_moved:
        return f"{what}; already has its new fingerprint"
    earlier, fingerprint = folder.name, training.spec.fingerprint
    with ExitStack() as locks:
        # First the recipe's own training, and trainings that two recipes share.
        for file in (project / FOLDER / f"{training.spec.recipe}.lock", folder / "running.lock"):
            locks.enter_context(run_lock(file, f"the training {earlier}"))
        check_free(training)
        rename_model(store, earlier, fingerprint)
        for published in sorted(models.glob(f"[!.]*/{DESCRIPTION}")):
            if read_model(published.parent).fingerprint == earlier:
                add_identity(published.parent, earlier=earlier, fingerprint=fingerprint)
        _keep_splits(project, training)
        move(training)  # last: while the earlier folder exists, the adoption is not finished
    return f"{what}; new fingerprint {fingerprint}"


def _keep_splits(project: Path, training: AdoptableTraining) -> None:
    """Let the recipe's next ingest leave every image in its split: another rule would train on other images."""
    recipe = training.spec.recipe
    current = project / "data" / "03_primary" / recipe / "manifest.parquet"
    manifest = current if current.is_file() else training.folder / "manifest.parquet"
    write_kept_splits(read_manifest(manifest, project), project / "data" / "02_intermediate" / recipe)


def _state(training: AdoptableTraining) -> str:
    if (training.folder / FINISHED).is_dir():
        return "finished"
    last = training.folder / LAST
    return f"unfinished after step {checkpoint_step(last)}" if last.is_file() else "no checkpoint yet"


def _names(folder: Path) -> set[str]:
    return {folder.name, *earlier_fingerprints(folder)}


def _in_short(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    wrong = [
        f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors(include_url=False)
    ]
    return f"this version cannot read its {SPEC}: {'; '.join(wrong)}"
