"""An evaluation that is a value alone: its nodes, catalog entries, outputs, log and artifacts follow."""

from pathlib import Path

import pandas as pd
import pytest
from kedro.validation.type_extractor import TypeExtractor
from PIL import Image

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Folder, Results
from dino_pipeline.pipelines.evaluations import catalog_entries, create_pipeline


@frozen
class Config:
    """The parameters of the evaluation below."""

    factor: float
    num_threads: int | None


def check(project_folder: Path, config: Config) -> str:
    return f"{project_folder.name} times {config.factor:g}"


def run(context: Context[Config]) -> Results:
    folder = context.folder("scaled_files")
    folder.mkdir()
    (folder / "done.txt").write_text(context.found)
    value = context.config.factor * len(context.inputs["manifest"])
    return Results(
        report={"value": value},
        metrics={"value": value},
        by_epoch=[{"curve": 1.0}, {"curve": 2.0}],
        text=f"it is {value}",
        tables={"scaled": pd.DataFrame({"value": [value]})},
        drawn="red",
    )


def plot(_context: Context[Config], results: Results) -> Image.Image:
    return Image.new("RGB", (4, 3), results.drawn)


SCALE = Evaluation(
    name="scale",
    description="Multiplies",
    config=Config,
    needs=("manifest", EXTRACT),
    after="extract",
    outputs={
        "scale_report": "scale.json",
        "scaled": "scaled.csv",
        "scaled_files": Folder("07_model_output/scaled", marker="done.txt"),
        "scale_picture": "scale.png",
    },
    run=run,
    check=check,
    plot=plot,
)


def test_the_check_is_a_node_that_needs_no_model_and_parameters_are_typed():
    pipeline = create_pipeline(SCALE)
    check_node, run_node = pipeline.nodes
    assert set(check_node.inputs) == {"project_folder", "params:scale"}
    assert {"manifest", "project_folder", "model", "params:scale", EXTRACT} <= set(run_node.inputs)
    types = TypeExtractor({"scale": pipeline}).extract_types_from_pipelines()
    assert types == {"scale": Config, "extract": ExtractConfig}


def test_every_output_and_what_passes_between_nodes_has_an_entry():
    entries = catalog_entries(SCALE, "tiny")
    assert {name: entry.get("filepath") for name, entry in entries.items()} == {
        "scale_found": None,
        "scale_report": "data/08_reporting/tiny/scale.json",
        "scaled": "data/08_reporting/tiny/scaled.csv",
        "scaled_files": "data/07_model_output/tiny/scaled",
        "scaled_files_folder": "data/07_model_output/tiny/scaled",
        "scale_picture": "data/08_reporting/tiny/scale.png",
    }
    assert entries["scaled_files"]["marker"] == "done.txt"
    assert {name for name, entry in entries.items() if "unwatched" in entry.get("metadata", {})} == {
        "scale_found",
        "scaled_files_folder",
    }
    assert entries.keys() == create_pipeline(SCALE).all_outputs() | {"scaled_files_folder"}


@pytest.fixture
def model(project):
    (project / "model").mkdir()
    description = PublishedModel(fingerprint="abc", data_digest="d", recipe="smoke", config={})
    write_model(project / "model", description, {"teacher": {}, "student": {}})
    return project / "model"


def test_outputs_and_the_models_run_hold_what_was_measured(project, model, client, caplog):
    folder = project / "scaled"
    folder.mkdir()
    (folder / "of_an_earlier_run.txt").touch()
    values = {
        "manifest": pd.DataFrame({"path": ["a", "b", "c"]}),
        "project_folder": project,
        "model": model,
        "params:scale": Config(factor=2.0, num_threads=1),
        EXTRACT: None,
        "scaled_files_folder": folder,
    }
    with caplog.at_level("INFO", "dino_pipeline"):
        for node in create_pipeline(SCALE).nodes:
            values |= node.run({name: values[name] for name in node.inputs})
    assert values["scale_report"] == {"value": 6.0}
    assert values["scaled"]["value"].tolist() == [6.0]
    assert values["scale_picture"].getpixel((0, 0)) == (255, 0, 0)
    assert values["scaled_files"] == folder
    assert [file.name for file in folder.iterdir()] == ["done.txt"]
    assert (folder / "done.txt").read_text() == f"{project.name} times 2"
    assert "it is 6.0" in caplog.text

    (experiment,) = [e for e in client.search_experiments() if e.name == "dino_pipeline"]
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.metrics == {"scale/value": 6.0, "scale/curve": 2.0}
    history = client.get_metric_history(logged.info.run_id, "scale/curve")
    assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 2.0)]
    assert {artifact.path for artifact in client.list_artifacts(logged.info.run_id)} >= {
        "scale.json",
        "scale_parameters.json",
        "scale.png",
        "scaled.csv",
    }
