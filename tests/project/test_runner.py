"""Nodes whose result is known do not run: their outputs, messages and MLflow records are brought back."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.project.catalog import WholeFileCatalog
from dino_pipeline.project.datasets import FolderDataset
from dino_pipeline.project.runner import FindingRunner

stage_logger = logging.getLogger("dino_pipeline.pipelines.evaluate")


class Demo:
    """A pipeline of two stages that counts its calls."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.calls: list[str] = []
        self.fails = False
        self.parameters: dict[str, Any] = {"factor": 2}
        self.again: list[str] | str = []
        (project / "numbers.json").write_text("[1, 2, 3]")

    def extract(self, numbers: list[int]) -> list[int]:
        self.calls.append("extract")
        return [10 * number for number in numbers]

    def evaluate(self, features: list[int], parameters: dict[str, int]) -> dict[str, int]:
        self.calls.append("evaluate")
        if self.fails:
            raise RuntimeError("killed")
        total = sum(features) * parameters["factor"]
        run = tracking.model_run("f1")
        run.log_metrics({"total": total})
        page = self.project / "page.txt"
        page.write_text(f"total {total}")
        run.log_artifact(page)
        page.unlink()
        stage_logger.info("the total is %d", total)
        return {"total": total}

    def run(self) -> list[str]:
        """Run both stages in a new catalog. Returns the stages that were called."""
        self.calls.clear()
        folder = FolderDataset(filepath=str(self.project), metadata={"unwatched": "of everything"})
        catalog = WholeFileCatalog(
            {
                "project_folder": folder,
                "numbers": JSONDataset(filepath=str(self.project / "numbers.json")),
                "features": JSONDataset(filepath=str(self.project / "features.json")),
                "metrics": JSONDataset(filepath=str(self.project / "metrics.json")),
                "params:evaluate": MemoryDataset(self.parameters),
                "params:results": MemoryDataset({"again": self.again}),
            }
        )
        extract = Node(self.extract, inputs="numbers", outputs="features", name="extract", tags="extract")
        evaluate = Node(
            self.evaluate,
            inputs=["features", "params:evaluate"],
            outputs="metrics",
            name="evaluate",
            tags="evaluate",
        )
        FindingRunner().run(Pipeline([extract, evaluate]), catalog, _create_hook_manager())
        return list(self.calls)

    def metrics(self) -> Any:
        return json.loads((self.project / "metrics.json").read_text())


@pytest.fixture
def demo(project: Path) -> Demo:
    return Demo(project)


@pytest.fixture
def stored(client: MlflowClient) -> Callable[[], Any]:
    """The runs of the store."""

    def runs() -> Any:
        return client.search_runs([one.experiment_id for one in client.search_experiments()])

    return runs


def test_nothing_runs_twice_and_outputs_come_back(demo: Demo, caplog: pytest.LogCaptureFixture) -> None:
    assert demo.run() == ["extract", "evaluate"]
    assert demo.run() == []
    (demo.project / "features.json").unlink()  # as `dvc repro` does
    (demo.project / "metrics.json").unlink()
    (demo.project / "metrics.json").write_text("{}")
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert demo.run() == []
    assert demo.metrics() == {"total": 120}
    assert json.loads((demo.project / "features.json").read_text()) == [10, 20, 30]
    assert "evaluate: nothing has changed; found the result of" in caplog.text
    assert "the total is 120" in caplog.text


def test_an_edited_parameter_runs_its_stage_only_and_going_back_runs_none(demo: Demo) -> None:
    demo.run()
    demo.parameters["factor"] = 3
    assert demo.run() == ["evaluate"]
    assert demo.metrics() == {"total": 180}
    demo.parameters["factor"] = 2
    assert demo.run() == []
    assert demo.metrics() == {"total": 120}


def test_a_stage_with_the_same_output_as_before_changes_nothing_after_it(demo: Demo) -> None:
    demo.run()
    (demo.project / "numbers.json").write_text("[1, 2,  3]")  # other bytes, equal values
    assert demo.run() == ["extract"]


def test_the_switch_runs_a_stage_again(demo: Demo) -> None:
    demo.run()
    demo.again = "evaluate"
    assert demo.run() == ["evaluate"]
    demo.again = ["extract"]
    assert demo.run() == ["extract"]
    demo.again = "all"
    assert demo.run() == ["extract", "evaluate"]
    demo.again = "evaluat"
    with pytest.raises(
        ValueError, match=r"results\.again names evaluat; it takes all, or some of: extract, probe"
    ):
        demo.run()
    assert demo.calls == []


def test_a_failed_stage_keeps_nothing(demo: Demo) -> None:
    demo.fails = True
    with pytest.raises(RuntimeError, match="killed"):
        demo.run()
    demo.fails = False
    assert demo.run() == ["evaluate"]


def test_a_damaged_result_is_made_again(demo: Demo) -> None:
    demo.run()
    (damaged,) = (demo.project / "data" / ".results" / "evaluate").glob("*/metrics")
    damaged.unlink()
    damaged.write_text("{}")
    assert demo.run() == ["evaluate"]
    assert demo.metrics() == {"total": 120}


def test_a_found_result_is_logged_where_the_run_lacks_it(
    demo: Demo, client: MlflowClient, stored: Callable[[], Any]
) -> None:
    demo.run()
    (run,) = stored()
    assert run.data.metrics == {"total": 120}
    (key,) = [folder.name for folder in (demo.project / "data" / ".results" / "evaluate").iterdir()]
    assert run.data.tags["result.evaluate"] == key
    demo.run()
    assert len(client.get_metric_history(run.info.run_id, "total")) == 1

    client.delete_run(run.info.run_id)
    assert demo.run() == []
    (new,) = stored()
    assert new.info.run_id != run.info.run_id
    assert new.data.metrics == {"total": 120}
    assert Path(client.download_artifacts(new.info.run_id, "page.txt")).read_text() == "total 120"
    assert new.data.tags["result.evaluate"] == key


def test_a_trained_model_is_found_where_its_run_is_complete(
    demo: Demo, client: MlflowClient, stored: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = demo.project / "trained"
    trained.mkdir()
    (trained / "model.json").write_text('{"fingerprint": "f1"}')
    calls = []

    def train(pretrain: Any, model: Any) -> Path:
        calls.append((pretrain, model))
        with tracking.open_model_run("f1", name="f1"):
            return trained

    def run() -> int:
        calls.clear()
        free = {"loss": {"name": "dino"}, "initial_weights": None, "teacher": {"name": "ema"}}
        published = FolderDataset(filepath=str(demo.project / "model"), marker="model.json")
        catalog = WholeFileCatalog(
            {
                "project_folder": FolderDataset(filepath=str(demo.project)),
                "model": published,
                "params:pretrain": MemoryDataset(free),
                "params:model": MemoryDataset({"checkpoint": None}),
            }
        )
        inputs = ["params:pretrain", "params:model"]
        node = Node(train, inputs=inputs, outputs="model", name="pretrain", tags="pretrain")
        FindingRunner().run(Pipeline([node]), catalog, _create_hook_manager())
        return len(calls)

    assert run() == 1
    assert run() == 0
    shutil.rmtree(demo.project / "model")  # as `dvc repro` does
    assert run() == 0
    assert (demo.project / "model" / "model.json").read_text() == '{"fingerprint": "f1"}'
    monkeypatch.setenv("DVC_EXP_NAME", "other")
    assert run() == 1  # the run gets the experiment's name
    monkeypatch.delenv("DVC_EXP_NAME")
    (trained_run,) = stored()
    assert trained_run.info.status == "FINISHED"
    client.delete_run(trained_run.info.run_id)
    assert run() == 1


def test_the_run_shows_the_result_in_force(demo: Demo, stored: Callable[[], Any]) -> None:
    demo.run()
    demo.parameters["factor"] = 3
    demo.run()
    demo.parameters["factor"] = 2
    assert demo.run() == []
    (run,) = stored()
    assert run.data.metrics == {"total": 120}


def test_projects_from_before_the_switch_run(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    load = DataCatalog.__contains__
    monkeypatch.setattr(
        DataCatalog, "__contains__", lambda self, name: name != "params:results" and load(self, name)
    )
    assert demo.run() == ["extract", "evaluate"]
    shutil.rmtree(demo.project / "data" / ".results")
    assert demo.run() == ["extract", "evaluate"]
