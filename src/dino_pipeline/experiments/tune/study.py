"""Open the storage of studies, and a study by name: an existing one, or a new one with the recipe as trial 0."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.training.progress import differing_keys
from dino_pipeline.dino.weights.older_files import completed
from dino_pipeline.experiments.tune.config import Hyperband, Median, Random, TuneConfig
from dino_pipeline.experiments.tune.search_space import SearchSpace
from dino_pipeline.tracking.address import database_address
from dino_pipeline.tracking.store import in_short, sqlite_file
from dino_pipeline.workspace.experiment_copy import outside_copy

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

QUESTION = "question"  # the study's attribute that defines its values
FROM_BELOW = {"alpha_req"}  # objectives for which smaller is better


def open_storage(address: str | None, journal: Path, project_folder: Path) -> "BaseStorage":
    """Open the storage. A missing file or missing tables are created.

    Args:
        address: a database's address as in SQLAlchemy: postgresql://user@host/database, sqlite:///studies.db.
        journal: the file to use without an address.
        project_folder: an absolute path, where a relative file of sqlite starts.

    Raises:
        ValueError: the database does not answer, or its driver is not installed.
    """
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # the search itself logs a line for each trial
    if address is None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(journal)))
    address = database_address(address, outside_copy(project_folder), name="tune.storage")
    file = sqlite_file(address)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return RDBStorage(address)
    except SQLAlchemyError as error:
        raise ValueError(f"tune.storage: the database cannot be used: {in_short(error)}") from error


def open_study(
    storage: "BaseStorage", config: TuneConfig, space: SearchSpace, *, name: str, data_digest: str
) -> "optuna.Study":
    """Create a study, or join the existing study of this name.

    Raises:
        ValueError: the existing study has another space, objective, recipe or data.
    """
    import optuna
    from optuna.study import StudyDirection

    question = _question(config, space, data_digest)
    down, up = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE
    directions = [down if config.objective in FROM_BELOW else up, *([down] if config.cost else [])]
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions,
            sampler=build_sampler(config, seed=config.seed),
            pruner=build_pruner(config),
        )
    except optuna.exceptions.DuplicatedStudyError:
        # The same seed would repeat the first worker's trials.
        study = optuna.load_study(
            storage=storage,
            study_name=name,
            sampler=build_sampler(config, seed=None),
            pruner=build_pruner(config),
        )
        differing = differing_keys(completed(study.user_attrs.get(QUESTION, question)), question)
        if differing:
            raise ValueError(
                f"the study {name} was started with other values of {', '.join(differing)}, so its trials cannot "
                "be compared with new ones: give a new name with tune.study"
            ) from None
    else:
        study.enqueue_trial(space.current(), user_attrs={"origin": "the recipe"})
        study.set_user_attr(QUESTION, question)
    return study


def build_sampler(config: TuneConfig, *, seed: int | None) -> "BaseSampler":
    """Build the sampler that the configuration names."""
    from optuna.samplers import RandomSampler, TPESampler

    if isinstance(config.sampler, Random):
        return RandomSampler(seed=seed)
    return TPESampler(n_startup_trials=config.sampler.num_random_trials, seed=seed)


def build_pruner(config: TuneConfig) -> "BasePruner":
    """Build the pruner that the configuration names. Its steps are evaluations, counted from 1.

    Raises:
        ValueError: no value is available for pruning while a trial trains.
    """
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    pruner = config.pruner
    if not isinstance(pruner, Median | Hyperband):
        return NopPruner()
    if config.cost:
        raise ValueError(
            f"tune.pruner is {pruner.name}, but trials of two objectives cannot be pruned: set it to none"
        )
    if config.objective == "alpha_req":
        raise ValueError(
            f"tune.pruner is {pruner.name}, but alpha_req is only known after a training: set it to none"
        )
    if isinstance(pruner, Median):
        return MedianPruner(
            n_startup_trials=pruner.num_startup_trials,
            n_warmup_steps=pruner.num_warmup_evaluations + 1,  # Optuna counts steps from 0
        )
    return HyperbandPruner(
        min_resource=pruner.min_evaluations,
        max_resource=pruner.max_evaluations,
        reduction_factor=pruner.reduction_factor,
    )


def _question(config: TuneConfig, space: SearchSpace, data_digest: str) -> dict[str, Any]:
    asked = to_dict(config)
    return {
        **{name: asked[name] for name in ("objective", "cost", "space", "when", "same", "alpha_ranks")},
        "pretrain": space.recipe["pretrain"],
        "monitoring": space.recipe["monitoring"],
        "data": data_digest,
    }
