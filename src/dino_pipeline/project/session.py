"""A Kedro session that shows a foreseeable error as one plain line instead of a traceback."""

import os
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import DatasetError
from kedro.runner import SequentialRunner
from kedro.validation import ParameterValidationError

from dino_pipeline.dino.launching.command import in_case_of_killed_loader, prepare_command
from dino_pipeline.project.runner import FindingRunner
from dino_pipeline.workspace.full_disk import in_words
from dino_pipeline.workspace.parameter_errors import parameter_errors
from dino_pipeline.workspace.run_lock import FOLDER, run_lock

_FORESEEN = (ValueError, OSError, DatasetError)
_ASK_FOR_TRACEBACK = "DINO_PIPELINE_TRACEBACK"


class PlainSession(KedroSession):
    """The session of the command line. Python callers use a plain `KedroSession` and get the exceptions themselves."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run the pipelines.

        Raises:
            click.ClickException: input, parameters or files are wrong, or the recipe runs already; carries only
                the text.
        """
        if list(kwargs.get("tags") or ()) == ["dry_run"] and not kwargs.get("pipeline_names"):
            # Not part of the default pipeline, whose every run would predict its cost.
            kwargs["pipeline_names"] = ["cost"]
        try:
            prepare_command()
            recipe = self._get_config_loader()["globals"]["recipe"]
            # Products lie in folders of the recipe's name, so another recipe may run at the same time.
            file = self._project_path / FOLDER / f"{recipe}.lock"
            shared = list(kwargs.get("pipeline_names") or ()) == ["tune"]  # a study has several workers
            if (
                type(kwargs.get("runner")) is SequentialRunner
            ):  # Kedro's default, unless --runner names another
                kwargs["runner"] = FindingRunner()
            with run_lock(file, f"a run of the recipe {recipe}", shared=shared):
                return super().run(*args, **kwargs)
        except ParameterValidationError as error:
            lines = parameter_errors(self._get_config_loader()["parameters"], pipelines)
            raise click.ClickException("\n".join(lines) or str(error)) from error
        except MissingConfigException as error:
            raise click.ClickException(str(error)) from error
        except (*_FORESEEN, RuntimeError) as error:
            if os.environ.get(_ASK_FOR_TRACEBACK) or not _is_foreseen(error):
                raise
            words = in_case_of_killed_loader(in_words(error, self._project_path))
            raise click.ClickException(
                f"{words} (Set {_ASK_FOR_TRACEBACK}=1 to see the traceback.)"
            ) from error


def _is_foreseen(error: Exception) -> bool:
    if isinstance(error, _FORESEEN) or in_case_of_killed_loader(str(error)) != str(error):
        return True
    from dino_pipeline.dino.launching.torchrun import WorkersFailedError  # imports torch

    return isinstance(error, WorkersFailedError)
