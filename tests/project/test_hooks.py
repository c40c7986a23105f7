"""A stage that fails after training marks the model's run, and one that succeeds takes the mark away."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.pipeline_registry import register_pipelines
from dino_pipeline.project.datasets import FolderDataset
from dino_pipeline.project.hooks import FAILURE_TAG, ModelRunHooks, SizeHooks
from dino_pipeline.recipes.reading import recipe_parameters


@pytest.fixture
def catalog(project: Path) -> DataCatalog:
    """A catalog with a finished model."""
    folder = project / "model"
    folder.mkdir()
    write_model(folder, PublishedModel(fingerprint="f1", data_digest="d", recipe="smoke", config={}), {})
    return DataCatalog({"model": FolderDataset(filepath=str(folder), marker="model.json")})


def stage(name: str, *, fails: bool) -> Pipeline:
    def work(model: Path) -> None:
        if fails:
            raise ValueError(f"{model.name} is too big")

    return Pipeline([Node(work, inputs="model", outputs=None, name=name, tags=name)])


def run(pipeline: Pipeline, catalog: DataCatalog) -> None:
    hooks = _create_hook_manager()
    hooks.register(ModelRunHooks())
    SequentialRunner().run(pipeline, catalog, hooks)
    hooks.hook.after_pipeline_run(run_params={}, run_result={}, pipeline=pipeline, catalog=catalog)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"crop": 50},
            "^extract.crop is 50, which is not a multiple of the ViT's patch of 16: set it to 48$",
        ),
        ({}, None),
    ],
)
def test_a_size_that_extraction_could_not_take_is_refused_before_training(
    changes: dict[str, int], error: str | None
) -> None:
    demo = recipe_parameters("base")
    given = {
        "pretrain": from_dict(PretrainConfig, demo["pretrain"]),
        "model": from_dict(ModelConfig, demo["model"]),
        "extract": from_dict(ExtractConfig, demo["extract"] | {"resize": 50} | changes),
    }
    catalog = DataCatalog({f"params:{name}": MemoryDataset(value) for name, value in given.items()})
    hook = SizeHooks()
    hook.before_pipeline_run(Pipeline([]), catalog)  # nothing is trained
    with pytest.raises(ValueError, match=error) if error else nullcontext():
        hook.before_pipeline_run(register_pipelines()["__default__"], catalog)


def tags(client: MlflowClient) -> dict[str, str]:
    found: dict[str, str] = client.get_run(tracking.model_run("f1").run_id).data.tags
    return found


def test_a_failure_after_training_is_a_tag_and_the_status_stays(
    client: MlflowClient, catalog: DataCatalog
) -> None:
    with tracking.open_model_run("f1", name="demo") as trained:
        pass
    with pytest.raises(ValueError, match="too big"):
        run(stage("evaluate", fails=True), catalog)
    assert tags(client)[FAILURE_TAG] == "evaluate: ValueError: model is too big"
    assert client.get_run(trained.run_id).info.status == "FINISHED"
    run(stage("evaluate", fails=False), catalog)
    assert FAILURE_TAG not in tags(client)


@pytest.mark.parametrize("name", ["ingest", "pretrain"])
def test_a_failure_before_the_model_is_finished_marks_no_earlier_model(
    client: MlflowClient, catalog: DataCatalog, name: str
) -> None:
    with pytest.raises(ValueError, match="too big"):
        run(stage(name, fails=True), catalog)
    assert FAILURE_TAG not in tags(client)


def test_a_stage_without_a_model_is_no_second_error(project: Path) -> None:
    missing = FolderDataset(filepath=str(project / "none"), marker="model.json")
    with pytest.raises(DatasetError, match=r"no none/model\.json"):
        run(stage("extract", fails=False), DataCatalog({"model": missing}))
