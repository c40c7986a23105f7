"""What comes out of a study, on studies made by hand: table, choice, rank correlation, pictures."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from scipy.stats import spearmanr

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.experiments.tune import figures
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.results import chosen_trial, rank_correlations, summary, trials_table

KNN = [0.5, 0.7, 0.6, 0.65]
RANKME = [5.0, 9.0, 9.5, 7.0]
ALPHA = [1.6, 1.1, 0.7, 1.2]
SECONDS = [10.0, 30.0, 40.0, 12.0]
RATE = "pretrain.schedules.learning_rate.start"


def config(demo: dict[str, Any], **changes: Any) -> TuneConfig:
    return from_dict(TuneConfig, demo["tune"] | changes)


def add(study: optuna.Study, number: int, values: list[float] | None, **attributes: Any) -> None:
    rate = 0.001 * (1 + number)
    study.add_trial(
        create_trial(
            state=TrialState.COMPLETE if values else TrialState.PRUNED,
            values=values,
            params={RATE: rate},
            distributions={RATE: FloatDistribution(0, 1)},
            system_attrs={"fixed_params": {RATE: rate}} if number == 0 else {},
            user_attrs={"values": {RATE: rate}, "fingerprint": f"f{number}", **attributes},
        )
    )


@pytest.fixture
def study() -> optuna.Study:
    made = optuna.create_study(direction="maximize")
    for number, knn in enumerate(KNN):
        measures = {"knn": knn, "rankme": RANKME[number], "alpha_req": abs(ALPHA[number] - 1)}
        add(made, number, [knn], measures=measures)
    add(made, 4, None, collapsed="uniform")
    return made


def test_the_table_names_each_trials_end_and_the_summary_the_best(
    study: optuna.Study, demo: dict[str, Any]
) -> None:
    table = trials_table(study)
    assert list(table["state"]) == ["complete"] * 4 + ["collapsed"]
    assert list(table["is_best"]) == [False, True, False, False, False]
    assert list(table[RATE]) == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.005])
    found = summary(study, table, config(demo))
    assert found["trials"] == {"complete": 4, "collapsed": 1}
    assert (found["recipe"]["trial"], found["chosen"]["trial"]) == (0, 1)
    assert found["chosen"]["values"] == {RATE: 0.002}
    assert chosen_trial(study, config(demo, written_trial=2)).number == 2
    with pytest.raises(ValueError, match="trial 4 did not finish training"):
        chosen_trial(study, config(demo, written_trial=4))


def test_rank_correlation_is_scipys_and_counts_a_small_distance_from_1_as_good(study: optuna.Study) -> None:
    found = rank_correlations(trials_table(study))
    assert found["rankme"]["spearman"] == pytest.approx(spearmanr(RANKME, KNN).statistic)
    assert found["alpha_req"]["spearman"] == pytest.approx(
        spearmanr(-np.abs(np.array(ALPHA) - 1), KNN).statistic
    )
    assert rank_correlations(trials_table(study).drop(columns="knn")) == {}


def test_of_two_objectives_all_that_nothing_beats_are_best(demo: dict[str, Any]) -> None:
    made = optuna.create_study(directions=["maximize", "minimize"])
    for number, (knn, seconds) in enumerate(zip(KNN, SECONDS, strict=True)):
        add(made, number, [knn, seconds], measures={"knn": knn, "seconds": seconds})
    table = trials_table(made)
    asked = config(demo, cost="seconds", pruner={"name": "none"})
    assert summary(made, table, asked)["front"] == [0, 1, 3]
    assert chosen_trial(made, asked).number == 1
    picture = np.asarray(figures.cost_picture(table, "knn", "seconds"))
    assert picture.std() > 0


def test_pictures_are_drawn_of_few_trials_and_of_many(study: optuna.Study) -> None:
    few = optuna.create_study(direction="maximize")
    add(few, 0, [0.5], measures={"knn": 0.5})
    drawn = [figures.importance_picture(few), figures.importance_picture(study)]
    drawn += [figures.history_picture(trials_table(made), "knn", maximise=True) for made in (few, study)]
    assert len({picture.tobytes() for picture in drawn}) == 4
    assert {picture.size for picture in drawn} == {(700, 360)}
