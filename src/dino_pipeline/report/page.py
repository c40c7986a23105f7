"""The page: one HTML file that loads nothing else."""

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dino_pipeline.plotting.charts import Chart, svg
from dino_pipeline.report.pictures import ImageViews, Picture, Query
from dino_pipeline.report.tables import Bar, ParameterDifference, Table
from dino_pipeline.report.verdict import ModelVerdict

_FOLDER = Path(__file__).parent

FactRows = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """The images that ingestion found."""

    splits: Table
    sizes: Table
    classes: list[tuple[str, int]]
    num_further_classes: int
    duplicates: dict[str, int]  # split to number of images that train also has
    quarantined: list[tuple[str, int]]  # kind of refusal, number of files
    refused: list[tuple[str, str]]  # file, reason
    num_further_refused: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content that follows from model, data and parameters alone. Equal ones give an equal page."""

    recipe: str
    facts: FactRows
    verdict: ModelVerdict
    judged_on: str  # the split of the headline accuracies
    bars: list[Bar]
    chance: float | None
    measures: Table
    notes: list[str]
    training: list[Chart]
    schedules: list[Chart]
    views: list[ImageViews]
    shows_components: bool  # instead of attention, which a ConvNet lacks
    attention: list[tuple[str, list[tuple[str, Picture]]]]  # label, then titled panels
    held_out: str  # the split that attention and queries show
    queries: list[Query]
    data: DataSection
    lineage: FactRows
    differences: list[ParameterDifference]

    @property
    def judgements(self) -> list[bool]:
        """Whether each neighbour with a label shares its query's class."""
        neighbors = [neighbor for query in self.queries for neighbor in query.neighbors]
        return [neighbor.is_right for neighbor in neighbors if neighbor.is_right is not None]


@dataclass(frozen=True, kw_only=True)
class RunSection:
    """The facts of one run on one machine. Only MLflow's copy has them, not the file that DVC hashes."""

    facts: FactRows
    timing: list[Chart]
    costs: Table | None = None  # predicted and used; None where this machine did not train the model


def render(content: Content, run: RunSection | None) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = _svg
    template = environment.get_template("page.html.jinja")
    style = Markup((_FOLDER / "page.css").read_text())
    return template.render(page=content, run=run, style=style)


def _svg(chart: Chart) -> Markup:
    return Markup(svg(chart))
