"""What an evaluation is: a value, of which Kedro's nodes, the catalog's entries, DVC's stage and MLflow's log are made.

A module that holds one imports nothing slow: torch, pandas and matplotlib come in the bodies of its functions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features

if TYPE_CHECKING:
    import torch

    from dino_pipeline.dino.core.data.manifest import Manifest

# Stored features by the name of what made them.
FEATURES = {
    "teacher": "teacher_features",
    "student": "student_features",
    "frozen_teacher": "frozen_teacher_features",
    "random": "random_features",
    "pixels": "pixel_features",
    "histogram": "histogram_features",
}
EXTRACT = "params:extract"


class EvaluationConfig(Protocol):
    """What the configuration of every evaluation has."""

    @property
    def num_threads(self) -> int | None:
        """CPU threads; None: torch's choice."""


Config = TypeVar("Config", bound=EvaluationConfig)


class Folder(NamedTuple):
    """An output that is a folder: its path as of a file, and the file in it that is written last."""

    path: str
    marker: str


def working_folder(output: str) -> str:
    """The catalog's entry in which an output that is a folder comes to be."""
    return f"{output}_folder"


@dataclass(frozen=True)
class Context(Generic[Config]):
    """What a run is given.

    Attributes:
        config: the evaluation's parameters.
        inputs: values of the catalog by their names: those in `needs`, and the model's folder.
        found: what `check` returned.
    """

    config: Config
    inputs: Mapping[str, Any]
    found: Any = None

    @property
    def project_folder(self) -> Path:
        """What relative paths start at."""
        folder: Path = self.inputs["project_folder"]
        return folder

    @property
    def model(self) -> Path:
        """The published model's folder."""
        folder: Path = self.inputs["model"]
        return folder

    def folder(self, output: str) -> Path:
        """An empty folder to fill, of an output that is one."""
        folder: Path = self.inputs[working_folder(output)]
        return folder

    @property
    def extract(self) -> ExtractConfig:
        """How features are extracted."""
        config: ExtractConfig = self.inputs[EXTRACT]
        return config

    @property
    def features(self) -> dict[str, Features]:
        """Stored features by the name of what made them, of those in `needs` that the model has."""
        stored = {name: self.inputs[entry] for name, entry in FEATURES.items() if entry in self.inputs}
        return {name: features for name, features in stored.items() if len(features)}

    @cached_property
    def images(self) -> "Manifest":
        """The manifest."""
        from dino_pipeline.dino.core.data.manifest import Manifest

        return Manifest.from_pandas(self.inputs["manifest"], self.project_folder)

    @property
    def device(self) -> "torch.device":
        """On what to compute."""
        from dino_pipeline.dino.evaluation import compute

        return compute.device()


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a run returns.

    Attributes:
        report: every number, ready for JSON; it is the output whose name ends with .json.
        metrics: to log; the evaluation's name is put before each.
        by_epoch: metrics of epoch 1, 2, ...
        text: a heading and a table for the log.
        tables: data frames by the name of their output.
        drawn: what `plot` needs beside the report.
    """

    report: dict[str, Any]
    metrics: Mapping[str, float]
    text: str
    by_epoch: Sequence[Mapping[str, float]] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    drawn: Any = None


@dataclass(frozen=True, kw_only=True)
class Evaluation(Generic[Config]):
    """A measurement of a model that is run when asked for.

    Attributes:
        name: of the pipeline, DVC's stage, the group of parameters, and before each metric.
        description: of DVC's stage.
        config: the class of its parameters, which Kedro validates before the first node runs.
        needs: the catalog's entries that it reads. The model and the parameters are always given, the project's folder
            wherever the manifest is.
        after: the last stage whose products it needs.
        outputs: files by the catalog's names. A path is relative to 08_reporting/<recipe>, or begins with another
            layer of data/. The suffix says what is stored: .json the report, .png the picture, else a table.
        run: measures.
        check: finds the user's own data, or refuses them, before a training begins; takes the project's folder.
        plot: draws.
    """

    name: str
    description: str
    config: type[Config]
    needs: tuple[str, ...]
    after: Literal["pretrain", "extract"]
    outputs: Mapping[str, str | Folder]
    run: Callable[[Context[Config]], Results]
    check: Callable[[Path, Config], Any] | None = None
    plot: Callable[[Context[Config], Results], Any] | None = None
