"""The results of a study: its trials as a table, the best trial, and how well label-free objectives rank the trials."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.requeue import REQUEUES
from dino_pipeline.experiments.tune.search import ERROR
from dino_pipeline.experiments.tune.trial import COLLAPSED, FINGERPRINT, MEASURES, VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL_FREE = {"rankme": 1, "alpha_req": -1}  # with the better direction


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """A row per trial: number, state, measures, where it was pruned, values by dotted name, fingerprint."""
    trials = study.get_trials(deepcopy=False)
    requeued = {trial.user_attrs.get(REQUEUES): trial.number for trial in trials}
    front = {trial.number for trial in study.best_trials} if _finished(study) else set()
    rows = [
        {
            "trial": trial.number,
            "state": _state(trial, requeued),
            "is_best": trial.number in front,
            **trial.user_attrs.get(MEASURES, {}),
            "evaluations": max(trial.intermediate_values, default=None),
            "last_value": trial.intermediate_values.get(max(trial.intermediate_values, default=0)),
            **trial.user_attrs.get(VALUES, {}),
            "fingerprint": trial.user_attrs.get(FINGERPRINT),
            "remark": trial.user_attrs.get(COLLAPSED) or trial.user_attrs.get(ERROR),
        }
        for trial in trials
        if trial.state != TrialState.WAITING
    ]
    return pd.DataFrame(rows)


def chosen_trial(study: optuna.Study, config: TuneConfig) -> FrozenTrial:
    """The trial whose values become a recipe: the requested trial, or the best by the first objective.

    Raises:
        ValueError: no trial has finished, or the requested one has not.
    """
    finished = _finished(study)
    if config.written_trial is not None:
        finished = [trial for trial in finished if trial.number == config.written_trial]
    if not finished:
        asked = (
            "no trial finished"
            if config.written_trial is None
            else f"trial {config.written_trial} did not finish"
        )
        raise ValueError(f"the study {study.study_name}: {asked} training; see its trials.csv")
    sign = 1 if study.directions[0] == optuna.study.StudyDirection.MAXIMIZE else -1
    return max(finished, key=lambda trial: sign * trial.values[0])


def summary(study: optuna.Study, table: pd.DataFrame, config: TuneConfig) -> dict[str, Any]:
    """Summarise the study in numbers, JSON-ready."""
    chosen = chosen_trial(study, config)
    return {
        "study": study.study_name,
        "objective": config.objective,
        "cost": config.cost,
        "trials": {state: int(count) for state, count in table["state"].value_counts().items()},
        "recipe": _described(_recipe_trial(study)),
        "chosen": _described(chosen),
        "front": [trial.number for trial in study.best_trials] if config.cost else None,
        "rank_correlation_with_knn": rank_correlations(table),
    }


def rank_correlations(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Spearman's correlation of each label-free objective with k-NN over the finished trials; none without labels.

    1 means that the objective ranks the trials as k-NN does.
    """
    found = {}
    for name, sign in _LABEL_FREE.items():
        if not {name, "knn"} <= set(table.columns):
            continue
        both = table.loc[table["state"] == "complete", [name, "knn"]].dropna()
        if both[name].nunique() > 1 and both["knn"].nunique() > 1:
            spearman = float((sign * both[name]).corr(both["knn"], method="spearman"))
            found[name] = {"spearman": spearman, "num_trials": len(both)}
    return found


def _recipe_trial(study: optuna.Study) -> FrozenTrial:
    """Trial 0, or the trial that continued and finished it."""
    first = study.get_trials(deepcopy=False)[0]
    again = (trial for trial in _finished(study) if trial.params == first.system_attrs["fixed_params"])
    return next(again, first)


def _described(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "measures": trial.user_attrs.get(MEASURES),
        "values": trial.user_attrs.get(VALUES),
        "fingerprint": trial.user_attrs.get(FINGERPRINT),
    }


def _finished(study: optuna.Study) -> "Sequence[FrozenTrial]":
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _state(trial: FrozenTrial, requeued: Mapping[Any, int]) -> str:
    if COLLAPSED in trial.user_attrs:
        return "collapsed"
    if trial.number in requeued:
        return "taken up"  # as in the tables of existing studies
    return {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
