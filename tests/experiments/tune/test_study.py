"""Studies in a journal and in PostgreSQL: begun with the recipe, continued, shared, and taken up after a kill."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.requeue import REQUEUES, Heartbeat, num_counted, requeue_abandoned
from dino_pipeline.experiments.tune.search_space import SearchSpace
from dino_pipeline.experiments.tune.study import open_storage, open_study

RATE = "pretrain.schedules.learning_rate.start"


def joined(address: str | None, folder: Path, demo: dict[str, Any], **changes: Any) -> optuna.Study:
    config = from_dict(TuneConfig, demo["tune"] | changes)
    storage = open_storage(address, folder / "studies.journal", folder)
    name = folder.name  # one database serves several tests
    return open_study(storage, config, SearchSpace(config, demo), name=name, data_digest="of the images")


def make_trials(
    address: str | None, folder: Path, demo: dict[str, Any], count: int, *, dies_in: int | None
) -> None:
    """A worker, without its trainings."""
    study = joined(address, folder, demo)
    space = SearchSpace(from_dict(TuneConfig, demo["tune"]), demo)
    for index in range(count):
        trial = study.ask()
        Heartbeat(trial, seconds=30)
        values = space.suggest(trial)
        if index == dies_in:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        study.tell(trial, values[RATE])


def in_processes(
    address: str | None, folder: Path, demo: dict[str, Any], *, workers: int, dies_in: int | None
) -> None:
    context = multiprocessing.get_context("fork")  # spawned ones would import for seconds
    processes = [
        context.Process(target=make_trials, args=(address, folder, demo, 5), kwargs={"dies_in": dies_in})
        for _ in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)


@pytest.fixture(params=["journal", "postgresql"])
def address(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "journal" else request.getfixturevalue("postgresql")


def test_several_workers_share_a_study_that_begins_with_the_recipe(
    address: str | None, tmp_path: Path, demo: dict[str, Any]
) -> None:
    own = SearchSpace(from_dict(TuneConfig, demo["tune"]), demo).current()
    joined(address, tmp_path, demo)
    in_processes(address, tmp_path, demo, workers=3, dies_in=None)
    trials = joined(address, tmp_path, demo).trials
    assert [trial.number for trial in trials] == list(range(15))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert trials[0].params == own
    assert len({trial.params[RATE] for trial in trials}) == 15  # nobody repeats another's draws
    assert len({trial.user_attrs["worker"][1] for trial in trials}) == 3


def test_a_killed_workers_trial_is_failed_and_taken_up_once(
    address: str | None, tmp_path: Path, demo: dict[str, Any]
) -> None:
    study = joined(address, tmp_path, demo)
    in_processes(address, tmp_path, demo, workers=1, dies_in=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "RUNNING"]

    requeue_abandoned(study, silence_seconds=300)
    requeue_abandoned(study, silence_seconds=300)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "WAITING"]
    assert num_counted(study) == 2
    in_processes(address, tmp_path, demo, workers=1, dies_in=0)
    lost, again = study.trials[2:]
    assert again.user_attrs[REQUEUES] == 2
    assert again.params == lost.params
    # It has killed two workers.
    requeue_abandoned(study, silence_seconds=300)
    assert [trial.state.name for trial in study.trials[2:]] == ["FAIL", "FAIL"]
    assert num_counted(study) == 3


def test_a_silent_worker_of_another_machine_loses_its_trial_and_a_living_one_does_not(
    tmp_path: Path, demo: dict[str, Any]
) -> None:
    study = joined(None, tmp_path, demo)
    far, here = study.ask(), study.ask()
    for trial in (far, here):
        Heartbeat(trial, seconds=30)
    far.set_user_attr("worker", ["another machine", 1])
    requeue_abandoned(study, silence_seconds=300)
    assert [trial.state.name for trial in study.trials] == ["RUNNING", "RUNNING"]
    far.set_user_attr("seen_at", time.time() - 301)
    requeue_abandoned(study, silence_seconds=300)
    assert [trial.state.name for trial in study.trials[:2]] == ["FAIL", "RUNNING"]


def test_one_worker_with_a_seed_draws_the_same_trials_again(tmp_path: Path, demo: dict[str, Any]) -> None:
    drawn = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        make_trials(None, tmp_path / name, demo, 4, dies_in=None)
        drawn.append([trial.params for trial in joined(None, tmp_path / name, demo).trials])
    assert drawn[0] == drawn[1]


def test_a_study_that_asked_something_else_is_not_continued(tmp_path: Path, demo: dict[str, Any]) -> None:
    joined(None, tmp_path, demo)
    joined(None, tmp_path, demo, num_trials=50, seed=3)  # the same question
    with pytest.raises(
        ValueError, match=r"other values of monitoring\.max_images, pretrain\.epochs, .*tune\.study"
    ):
        joined(None, tmp_path, demo, budget={"pretrain.epochs": 2, "monitoring.max_images": 9})


def pruned_at(study: optuna.Study, curve: list[float]) -> int | None:
    """The evaluation, counted from 1, at which a trial of these values is ended."""
    trial = study.ask()
    for evaluation, value in enumerate(curve, 1):
        trial.report(value, evaluation)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return evaluation
    study.tell(trial, curve[-1])
    return None


@pytest.mark.parametrize("num_warmup", [0, 2])
def test_the_median_ends_a_trial_below_it_after_its_warm_up(
    tmp_path: Path, demo: dict[str, Any], num_warmup: int
) -> None:
    pruner = {"name": "median", "num_startup_trials": 3, "num_warmup_evaluations": num_warmup}
    study = joined(None, tmp_path, demo, pruner=pruner)
    for last in (0.4, 0.5, 0.6):
        assert pruned_at(study, [0.1, 0.2, 0.3, last]) is None
    assert pruned_at(study, [0.09, 0.1, 0.1, 0.1]) == num_warmup + 1
    assert pruned_at(study, [0.2, 0.3, 0.4, 0.55]) is None


def test_hyperband_gives_few_trials_the_whole_training(tmp_path: Path, demo: dict[str, Any]) -> None:
    pruner = {"name": "hyperband", "min_evaluations": 1, "max_evaluations": 9, "reduction_factor": 3}
    study = joined(None, tmp_path, demo, pruner=pruner)
    ends = [pruned_at(study, [0.01 * (number * 7 % 30)] * 9) for number in range(30)]
    # the rungs of a reduction by 3; a Watch ends none at the last
    assert {1, 3} <= set(ends) <= {None, 1, 3, 9}
    assert 0 < ends.count(None) < 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost": "seconds"}, "two objectives cannot be pruned"),
        ({"objective": "alpha_req"}, "only known after a training"),
    ],
)
def test_a_pruner_that_has_nothing_to_prune_by_is_refused(
    tmp_path: Path, demo: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        joined(None, tmp_path, demo, **changes)


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tune\.storage: the database cannot be used") as caught:
        open_storage("postgresql://tuner:secret@127.0.0.1:9/none", tmp_path, tmp_path)
    assert "secret" not in str(caught.value)
