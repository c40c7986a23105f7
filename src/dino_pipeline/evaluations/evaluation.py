"""Define an evaluation as a value. Kedro's nodes, catalog entries, DVC's stage and MLflow's log are made from it.

A module with an evaluation imports nothing slow: its functions import torch, pandas and matplotlib in their bodies.
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

# Stored features by the name of their network.
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
    """The configuration that every evaluation has."""

    @property
    def num_threads(self) -> int | None:
        """CPU threads; None: torch's choice."""


Config = TypeVar("Config", bound=EvaluationConfig)


class Folder(NamedTuple):
    """An output that is a folder: its path, in the form of a file's path, and the file inside that is written last."""

    path: str
    marker: str


def working_folder(output: str) -> str:
    """The catalog entry of the folder in which a folder output is made."""
    return f"{output}_folder"


@dataclass(frozen=True)
class Context(Generic[Config]):
    """The input of a run.

    Attributes:
        config: the evaluation's parameters.
        inputs: values of the catalog by name: those in `needs`, and the model's folder.
        found: the result of `check`.
    """

    config: Config
    inputs: Mapping[str, Any]
    found: Any = None

    @property
    def project_folder(self) -> Path:
        """The folder that relative paths start from."""
        folder: Path = self.inputs["project_folder"]
        return folder

    @property
    def model(self) -> Path:
        """The published model's folder."""
        folder: Path = self.inputs["model"]
        return folder

    def folder(self, output: str) -> Path:
        """An empty folder to fill, for an output that is a folder."""
        folder: Path = self.inputs[working_folder(output)]
        return folder

    @property
    def extract(self) -> ExtractConfig:
        """The parameters of feature extraction."""
        config: ExtractConfig = self.inputs[EXTRACT]
        return config

    @property
    def features(self) -> dict[str, Features]:
        """Stored features by the name of their network, for the networks in `needs` that the model has."""
        stored = {name: self.inputs[entry] for name, entry in FEATURES.items() if entry in self.inputs}
        return {name: features for name, features in stored.items() if len(features)}

    @cached_property
    def images(self) -> "Manifest":
        """The manifest."""
        from dino_pipeline.dino.core.data.manifest import Manifest

        return Manifest.from_pandas(self.inputs["manifest"], self.project_folder)

    @property
    def device(self) -> "torch.device":
        """The device to compute on."""
        from dino_pipeline.dino.evaluation import compute

        return compute.device()


@dataclass(frozen=True, kw_only=True)
class Results:
    """The output of a run.

    Attributes:
        report: every number, JSON-ready; stored as the output whose name ends with .json.
        metrics: metrics to log, without the prefix of the evaluation's name.
        by_epoch: metrics of epoch 1, 2, ...
        text: a heading and a table for the log.
        tables: data frames by the name of their output.
        drawn: values that `plot` needs in addition to the report.
    """

    report: dict[str, Any]
    metrics: Mapping[str, float]
    text: str
    by_epoch: Sequence[Mapping[str, float]] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)
    drawn: Any = None


@dataclass(frozen=True, kw_only=True)
class Evaluation(Generic[Config]):
    """A measurement of a model that runs on request.

    Attributes:
        name: names the pipeline, DVC's stage and the group of parameters, and prefixes each metric.
        description: describes DVC's stage.
        config: the class of its parameters. Kedro validates them before the first node runs.
        needs: the catalog entries that it reads. The model and the parameters are always passed, the project's folder
            with the manifest.
        after: the last stage whose products it needs.
        outputs: files by the catalog's names. A path is relative to 08_reporting/<recipe>, or begins with another
            layer of data/. The suffix says what is stored: .json the report, .png the picture, else a table.
        run: computes the results.
        check: finds the user's own data, or refuses them, before a training begins; receives the project's folder.
        plot: makes the picture.
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
