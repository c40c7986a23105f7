"""Foreseeable errors are one line; defects keep their traceback."""

import pytest

from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.project.session import _is_foreseen


@pytest.mark.parametrize(
    ("error", "is_foreseen"),
    [
        (ValueError("no such folder"), True),
        (FileNotFoundError("x"), True),
        (WorkersFailedError("rank 1: out of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (KeyError("x"), False),
    ],
)
def test_defects_keep_their_traceback(error: Exception, is_foreseen: bool) -> None:
    assert _is_foreseen(error) is is_foreseen
