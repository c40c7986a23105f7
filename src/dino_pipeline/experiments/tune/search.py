"""Run one trial after another until the study has enough. Trials of other workers count."""

import logging
from typing import TYPE_CHECKING

from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.dino.progress import Progress
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.requeue import num_counted, requeue, requeue_abandoned
from dino_pipeline.experiments.tune.search_space import SearchSpace
from dino_pipeline.experiments.tune.trial import COLLAPSED, TrialContext, run_trial

if TYPE_CHECKING:
    import optuna

ERROR = "error"  # a trial's attribute: why it failed

logger = logging.getLogger(__name__)


def search(study: "optuna.Study", space: SearchSpace, config: TuneConfig, context: TrialContext) -> None:
    """Run trials until the study has `config.num_trials`, including trials of other workers.

    A failed trial is marked, and the search continues: its values were impossible.

    Raises:
        ValueError, WorkersFailedError: trial 0, the recipe itself, failed; the next call tries it again.
    """
    with Progress(
        study.study_name, total=config.num_trials, unit="trials", leave=True, logs_above=True
    ) as progress:
        while True:
            requeue_abandoned(study, silence_seconds=config.silence_seconds)
            progress.move_to(num_counted(study))
            if progress.count >= config.num_trials:
                return
            _run_one(study, space, config, context)


def _run_one(study: "optuna.Study", space: SearchSpace, config: TuneConfig, context: TrialContext) -> None:
    import optuna
    from optuna.trial import TrialState

    trial = study.ask()
    try:
        values = run_trial(trial, space, config, context)
    except optuna.TrialPruned as end:
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        collapsed = COLLAPSED in study.trials[trial.number].user_attrs
        logger.info("trial %d %s: %s", trial.number, "collapsed" if collapsed else "pruned", end)
    except (ValueError, WorkersFailedError) as error:
        trial.set_user_attr(ERROR, str(error))
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        if study.trials[trial.number].params == space.current():
            requeue(study, study.trials[trial.number])
            raise
        logger.warning("trial %d failed: %s", trial.number, error)
    except BaseException:
        # Stopped: the study's next worker continues the trial from its checkpoint.
        study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
        requeue(study, study.trials[trial.number])
        raise
    else:
        study.tell(trial, values, skip_if_finished=True)
        shown = ", ".join(f"{value:.4g}" for value in values)
        logger.info("trial %d: %s %s", trial.number, config.objective, shown)
