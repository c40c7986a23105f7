"""Kedro's settings: the hooks, the layers of configuration, the session."""

import warnings

from kedro import KedroDeprecationWarning

from dino_pipeline.project.catalog import WholeFileCatalog, generated_catalog
from dino_pipeline.project.hooks import ExperimentHooks, ModelRunHooks, SizeHooks, StageHooks
from dino_pipeline.project.session import PlainSession
from dino_pipeline.workspace.config_loader import DEMO, MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.environment import complete_environment

complete_environment()

# People type `kedro run --pipeline=x`, and it works throughout Kedro 1.
warnings.filterwarnings("ignore", "Option '--pipeline' is deprecated", KedroDeprecationWarning)

HOOKS = (SizeHooks(), StageHooks(), ExperimentHooks(), ModelRunHooks())
SESSION_CLASS = PlainSession
DATA_CATALOG_CLASS = WholeFileCatalog
CONFIG_LOADER_CLASS = LayeredConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": DEMO,
    "merge_strategy": MERGE_STRATEGY,
    "generated_catalog": generated_catalog,
}
