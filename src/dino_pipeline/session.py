"""A Kedro session whose foreseeable errors are one plain line, and not a wall of frames."""

import os
import re
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.session import KedroSession
from kedro.io import DatasetError
from kedro.validation import ParameterValidationError

_FORESEEN = (ValueError, OSError, DatasetError)
_ASK_FOR_TRACEBACK = "DINO_PIPELINE_TRACEBACK"


class PlainSession(KedroSession):
    """What the command line uses. A plain `KedroSession` hands Python callers the exceptions themselves."""

    def run(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run the pipelines.

        Raises:
            click.ClickException: input, parameters or files are not right; carries only the text.
        """
        try:
            return super().run(*args, **kwargs)
        except ParameterValidationError as error:
            raise click.ClickException(plain_parameter_errors(str(error))) from error
        except MissingConfigException as error:
            raise click.ClickException(str(error)) from error
        except (*_FORESEEN, RuntimeError) as error:
            if os.environ.get(_ASK_FOR_TRACEBACK) or not _is_foreseen(error):
                raise
            raise click.ClickException(f"{error}\n({_ASK_FOR_TRACEBACK}=1 shows where.)") from error


def _is_foreseen(error: Exception) -> bool:
    if isinstance(error, _FORESEEN):
        return True
    from dino_pipeline.dino.launching.torchrun import WorkersFailedError  # imports torch

    return isinstance(error, WorkersFailedError)


def plain_parameter_errors(text: str) -> str:
    """Kedro's report of pydantic's report, as one line for each wrong parameter."""
    lines = []
    for group, report in re.findall(r"for parameter '([^']+)':(.*?)(?=\n- Parameter|\Z)", text, re.DOTALL):
        # What is wrong between parameters of a group names them itself.
        lines += re.findall(r"errors?(?: for \w+)?\n  Value error, (.+?) \[type=value_error", report)
        for name, problem, value in re.findall(
            r"^(\S+)\n  (.+?) \[type=\w+, input_value=(.*?), input_type=\w+\]", report, re.MULTILINE
        ):
            lines.append(f"{group}.{name}: {problem} (it is {value}).")
    return "\n".join(lines) or text
