"""A Kedro session whose foreseeable errors are one plain line, and not a wall of frames."""

import logging
import os
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.session import KedroSession
from kedro.io import DatasetError
from kedro.validation import ParameterValidationError

FORESEEN = (ValueError, OSError, DatasetError, MissingConfigException, ParameterValidationError)
_ASK_FOR_TRACEBACK = "DINO_PIPELINE_TRACEBACK"

logger = logging.getLogger(__name__)


class PlainSession(KedroSession):
    """What the command line uses. A plain `KedroSession` hands Python callers the exceptions themselves."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run the pipelines.

        Raises:
            click.ClickException: input, parameters or files are not right; carries only the text.
        """
        try:
            outputs: dict[str, Any] = super().run(*args, **kwargs)
        except FORESEEN as error:
            if os.environ.get(_ASK_FOR_TRACEBACK):
                raise
            where = f"({_ASK_FOR_TRACEBACK}=1 shows where in the code.)"
            raise click.ClickException(f"{error}\n{where}") from error
        return outputs
