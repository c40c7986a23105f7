"""Parameters of ingestion: where the images are, which ones to refuse, and how to split them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.tables.columns import Role

Fraction = Annotated[float, Field(ge=0, lt=1)]

_GROUP_FORMS = "give null, {level: N} or {pattern: REGEX}"


@frozen
class PhotographsConfig:
    """How the embedded photographs are cut into tiles."""

    tile_size: PositiveInt  # px
    tile_stride: PositiveInt  # px, between neighbours of one split; below tile_size they overlap
    max_tiles: PositiveInt  # per photograph in train, evenly spaced; val and test get their share
    validation_share: Annotated[float, Field(gt=0, lt=0.5)]  # share of each photograph's longer side
    test_share: Annotated[float, Field(gt=0, lt=0.5)]


@frozen
class TorchvisionConfig:
    """Where torchvision keeps the data sets of `torchvision:<name>`."""

    root: str  # torchvision's own `root`; a relative path starts at the project folder
    download: bool  # download missing files


@frozen
class GroupConfig:
    """How a path names its group of images: either a folder level or a pattern, exactly one of the two."""

    level: PositiveInt | None  # the folder below the split's folder, else below the source; 1 is the first
    # a regular expression on the path below the source; its first group, or the one named group
    pattern: str | None

    def __post_init__(self) -> None:
        if (self.level is None) == (self.pattern is None):
            raise ValueError(_GROUP_FORMS)
        if self.pattern is not None:
            try:
                groups = re.compile(self.pattern).groups
            except re.error as error:
                raise ValueError(f"pattern is not a valid regular expression: {error}") from error
            if not groups:
                raise ValueError(
                    "pattern has no parentheses: put them around the group's name, as in (?P<group>...)"
                )


def _with_both(values: Any) -> Any:
    """Fill in the missing one of the two keys with null."""
    if not isinstance(values, Mapping):
        return values
    if not {"level", "pattern"} >= set(values):
        raise ValueError(_GROUP_FORMS)
    return {"level": None, "pattern": None} | dict(values)


def _with_text_keys(values: Any) -> Any:
    """Names as text, which YAML reads as numbers, true or false without quotes."""
    return {str(name): split for name, split in values.items()} if isinstance(values, Mapping) else values


@frozen
class IngestConfig:
    """The `ingest` parameters."""

    source: str | tuple[str, ...] | None
    name: Annotated[str, Field(pattern=r"^[^/:]+$")] | None  # of the data set; None: ingestion/data_set.py
    copy_images: bool
    minimum_size: PositiveInt  # px, shorter side
    max_pixels: PositiveInt
    max_file_megabytes: PositiveInt
    max_unpacked_gigabytes: PositiveInt
    archive_encoding: str | None  # of names that do not say theirs, such as cp932; None: UTF-8, else a guess
    columns: dict[
        Role, str | None
    ]  # of lists: a role's column; None: it has none. Other roles are found by name
    # of folders, sources and lists: a name's split; None: it is no split. Other names are recognised or refused
    splits: Annotated[dict[str, Literal["train", "val", "test"] | None], BeforeValidator(_with_text_keys)]
    group: Annotated[GroupConfig | None, BeforeValidator(_with_both)]  # images of a group share a split
    validation_fraction: Fraction
    test_fraction: Fraction
    max_train_images: PositiveInt | None  # distinct images, classes in proportion; None keeps all
    seed: NonNegativeInt
    drop_duplicates: Literal["none", "across_splits", "all"]
    exclude: str | None  # a cleaning list; ingestion leaves out its images with keep = false
    num_workers: NonNegativeInt
    torchvision: TorchvisionConfig
    photographs: PhotographsConfig

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources as a tuple: one, several, or none."""
        return (self.source,) if isinstance(self.source, str) else self.source or ()
