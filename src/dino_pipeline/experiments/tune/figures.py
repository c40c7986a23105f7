"""Plot a study: its values over time and against cost, and how much each parameter matters."""

import optuna
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.trial import TrialState
from PIL import Image

from dino_pipeline.plotting.grids import rasterised

_NAMES = {"knn": "k-NN of the teacher on validation", "rankme": "RankMe", "alpha_req": "|alpha - 1|"}
_FEWEST = 4  # finished trials for an estimate of importance


def history_picture(table: pd.DataFrame, objective: str, *, maximise: bool) -> Image.Image:
    """Plot each trial's value, the best so far, and trials that ended early at their last value.

    Args:
        table: see `trials_table`.
    """
    figure = Figure(figsize=(7, 3.6), dpi=100, layout="tight")
    axes = figure.subplots()
    complete = table[table["state"] == "complete"]
    axes.plot(complete["trial"], complete[objective], "o", markersize=4, label="finished")
    best = complete[objective].cummax() if maximise else complete[objective].cummin()
    axes.step(complete["trial"], best, where="post", linewidth=1.2, label="best so far")
    for state, marker in (("pruned", "v"), ("collapsed", "x")):
        ended = table[(table["state"] == state) & table["last_value"].notna()]
        axes.plot(
            ended["trial"],
            ended["last_value"],
            marker,
            markersize=4,
            label=f"{state} ({len(ended)} with a value)",
        )
    axes.set_xlabel("trial (0: the recipe)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(_NAMES[objective])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return rasterised(figure)


def cost_picture(table: pd.DataFrame, objective: str, cost: str) -> Image.Image:
    """Plot value against cost. A line joins the trials that no other trial beats in both."""
    figure = Figure(figsize=(7, 3.6), dpi=100, layout="tight")
    axes = figure.subplots()
    complete = table[table["state"] == "complete"]
    axes.plot(complete[cost], complete[objective], "o", markersize=4, alpha=0.5)
    front = complete[complete["is_best"]].sort_values(cost)
    axes.step(front[cost], front[objective], "-o", where="post", markersize=4, label="best of its cost")
    for number, x, y in zip(front["trial"], front[cost], front[objective], strict=True):
        axes.annotate(str(number), (x, y), xytext=(3, 4), textcoords="offset points", fontsize=7)
    axes.set_xlabel("core seconds of training" if cost == "seconds" else "parameters of the backbone")
    axes.set_ylabel(_NAMES[objective])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return rasterised(figure)


def importance_picture(study: optuna.Study) -> Image.Image:
    """Plot how much each parameter decides whether a trial is among the best (PED-ANOVA, arXiv:2304.10255)."""
    figure = Figure(figsize=(7, 3.6), dpi=100, layout="tight")
    axes = figure.subplots()
    importances = _importances(study)
    if importances:
        names = list(reversed(importances))
        axes.barh(names, [importances[name] for name in names])
        axes.set_xlabel("importance")
        axes.tick_params(axis="y", labelsize=7)
    else:
        axes.text(0.5, 0.5, f"fewer than {_FEWEST} trials with different values", ha="center", fontsize=9)
        axes.set_axis_off()
    return rasterised(figure)


def _importances(study: optuna.Study) -> dict[str, float]:
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < _FEWEST or len({trial.values[0] for trial in finished}) < 2:
        return {}
    return optuna.importance.get_param_importances(study)
