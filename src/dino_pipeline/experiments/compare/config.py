"""Parameters of a comparison (light: imports no torch)."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt

from dino_pipeline.dino.core.config import frozen

# MLflow allows no other characters in the name of a metric.
RowName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_. -]+$")]
Published = Literal["knn", "linear"]
# A single model needs no list, as on the command line.
Models = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
]


@frozen
class ComparedKnn:
    """The weighted k-NN classifier that measures all rows."""

    num_neighbors: PositiveInt
    temperature: PositiveFloat


@frozen
class CompareConfig:
    """Rows of a comparison, in three kinds, and the expected orderings."""

    # names the comparison's folder and MLflow run
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. -]*$", max_length=60)]
    file: str | None  # a YAML file whose values override these
    overlays: dict[RowName, dict[str, Any]]  # row: {dotted name: value}, laid over the recipe and trained
    # row: trained models, by any name that `attend --model` takes; several count as seeds
    runs: dict[RowName, Models]
    experiments: dict[RowName, Models]  # row: DVC experiments or other revisions, likewise
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]  # seeds of each overlay
    expected: tuple[tuple[RowName, RowName], ...]  # [better, worse]
    published: dict[RowName, dict[Published, float]]  # percent, shown for comparison
    reference: RowName | None  # the row that must gain over random initialisation for the comparison to count
    minimum_gain: Annotated[float, Field(ge=0, le=1)]  # smallest gain of the reference, as a share of images
    knn: ComparedKnn
