"""What a person reads when a parameter is wrong."""

import pytest

from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.session import _is_foreseen, plain_parameter_errors

REPORT = """Parameter validation failed:
- Parameter 'ingest': Failed to instantiate IngestConfig for parameter 'ingest': 2 errors
sed
  Unexpected keyword argument [type=unexpected_keyword_argument, input_value=3, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/unexpected_keyword_argument
photographs.tile_size
  Input should be greater than 0 [type=greater_than, input_value=-1, input_type=int]
    For further information visit https://errors.pydantic.dev/2.14/v/greater_than
- Parameter 'pretrain': Failed to instantiate PretrainConfig for parameter 'pretrain': 1 error
epochs
  Input should be a valid integer [type=int_parsing, input_value='ten', input_type=str]"""


def test_each_wrong_parameter_is_one_line_with_its_whole_name() -> None:
    assert plain_parameter_errors(REPORT).splitlines() == [
        "ingest.sed: Unexpected keyword argument (it is 3).",
        "ingest.photographs.tile_size: Input should be greater than 0 (it is -1).",
        "pretrain.epochs: Input should be a valid integer (it is 'ten').",
    ]


def test_what_does_not_fit_within_a_group_is_one_line_too() -> None:
    report = """Parameter validation failed:
- Parameter 'pretrain': Failed for parameter 'pretrain': 1 validation error for PretrainConfig
  Value error, pretrain.mean has 3 numbers: give 5 [type=value_error, input_value=A(), input_type=A]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error"""
    assert plain_parameter_errors(report) == "pretrain.mean has 3 numbers: give 5"


def test_a_report_of_another_form_is_left_as_it_is() -> None:
    assert plain_parameter_errors("No such thing") == "No such thing"


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
