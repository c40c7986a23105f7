"""What a person reads when a parameter is wrong: pydantic's findings as lines with whole names."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.workspace.parameter_errors import group_errors


@frozen
class Tiles:
    size: Annotated[int, Field(gt=0)]


@frozen
class Ingest:
    seed: int
    source: str | tuple[str, ...] | None
    tiles: Tiles


RIGHT = {"seed": 0, "source": None, "tiles": {"size": 48}}


def test_each_wrong_parameter_is_one_line_with_its_whole_name() -> None:
    assert group_errors("ingest", Ingest, RIGHT | {"sed": 3, "seed": "ten", "tiles": {"size": -1}}) == [
        "ingest.sed is 3, but there is no such parameter: did you mean seed?",
        "ingest.seed is 'ten': input should be a valid integer, unable to parse string as an integer",
        "ingest.tiles.size is -1: input should be greater than 0",
    ]


def test_a_value_of_several_types_is_wrong_once() -> None:
    assert group_errors("ingest", Ingest, RIGHT | {"source": 3}) == [
        "ingest.source is 3: input should be a valid string, or input should be a list; a name that looks like a "
        "number needs quotes: \"ingest.source='3'\""
    ]
    assert group_errors("ingest", Ingest, RIGHT | {"source": ["a", 3]}) == [
        "ingest.source[1] is 3: input should be a valid string; a name that looks like a number needs quotes: "
        "\"ingest.source[1]='3'\""
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = group_errors("ingest", Ingest, RIGHT | {"seed": "x" * 1000})
    assert len(line) < 200


def test_right_values_give_no_line() -> None:
    assert group_errors("ingest", Ingest, RIGHT) == []
