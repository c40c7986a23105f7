"""A key changes with what decides a result, and with nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node
from kedro_datasets.json import JSONDataset

from dino_pipeline.project import result_key
from dino_pipeline.project.datasets import FolderDataset
from dino_pipeline.project.result_key import ResultKeys

PACKAGE = Path(result_key.__file__).parents[1]
MODEL = {
    "fingerprint": "f1",
    "recipe": "tiny",
    "config": {
        "backbone": {"name": "vit"},
        "images": {"channels": 3},
        "mean": [0.5],
        "std": [0.1],
        "epochs": 1,
    },
}


def nothing(*_: Any) -> None:
    """The function of a node. A key hashes its stage's code instead."""


def node(name: str, stage: str = "evaluate") -> Node:
    inputs = ["features", "project_folder", "model", "params:evaluate"]
    return Node(nothing, inputs=inputs, outputs="metrics", name=name, tags=[stage])


@pytest.fixture
def parameters() -> dict[str, Any]:
    return {"k": [10, 20], "image": None}


@pytest.fixture
def catalog(tmp_path: Path, parameters: dict[str, Any]) -> DataCatalog:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps(MODEL))
    (tmp_path / "model" / "teacher.safetensors").write_bytes(b"weights")
    (tmp_path / "features.json").write_text("[1, 2]")
    folder = FolderDataset(filepath=str(tmp_path), metadata={"unwatched": "images lie anywhere"})
    return DataCatalog(
        {
            "features": JSONDataset(filepath=str(tmp_path / "features.json")),
            "metrics": JSONDataset(filepath=str(tmp_path / "metrics.json")),
            "project_folder": folder,
            "model": FolderDataset(filepath=str(tmp_path / "model"), marker="model.json"),
            "params:evaluate": MemoryDataset(parameters, copy_mode="assign"),
            "in_memory": MemoryDataset(),
        }
    )


@pytest.fixture
def key(tmp_path: Path, catalog: DataCatalog) -> Callable[..., str | None]:
    def of(asked: Node | None = None) -> str | None:
        return ResultKeys(tmp_path, catalog).key(asked or node("evaluate"))

    return of


def test_an_unchanged_project_has_the_same_key(key: Callable[..., str | None], tmp_path: Path) -> None:
    before = key()
    assert before
    assert len(before) == 16
    (tmp_path / "features.json").touch()
    (tmp_path / "metrics.json").write_text("an output is no input")
    (tmp_path / "elsewhere.txt").write_text("project_folder is unwatched")
    assert key() == before


@pytest.mark.parametrize("change", ["input", "model", "parameter", "node"])
def test_what_decides_a_result_changes_the_key(
    key: Callable[..., str | None], tmp_path: Path, parameters: dict[str, Any], change: str
) -> None:
    before, asked = key(), None
    if change == "input":
        (tmp_path / "features.json").write_text("[1, 3]")
    elif change == "model":
        (tmp_path / "model" / "teacher.safetensors").write_bytes(b"Weights")
    elif change == "parameter":
        parameters["k"].append(100)
    else:
        asked = node("draw_picture")
    assert key(asked) not in (before, None)


def test_a_file_that_a_parameter_names_counts_with_its_content(
    key: Callable[..., str | None], tmp_path: Path, parameters: dict[str, Any]
) -> None:
    parameters["image"] = "photo.png"
    without = key()
    (tmp_path / "photo.png").write_bytes(b"one")
    with_one = key()
    (tmp_path / "photo.png").write_bytes(b"two")
    assert len({without, with_one, key()}) == 3
    parameters["image"] = "images"
    (tmp_path / "images").mkdir()
    empty = key()
    (tmp_path / "images" / "a.png").write_bytes(b"one")
    assert key() != empty


def test_a_long_text_is_no_file(key: Callable[..., str | None], parameters: dict[str, Any]) -> None:
    parameters["image"] = "x" * 5000
    assert key()


def test_baselines_depend_on_the_architecture_and_not_on_the_weights(
    key: Callable[..., str | None], tmp_path: Path
) -> None:
    asked = node("extract_baselines", stage="extract")
    before = key(asked)
    assert before
    (tmp_path / "model" / "teacher.safetensors").write_bytes(b"Weights")
    longer = MODEL | {"fingerprint": "f2", "config": MODEL["config"] | {"epochs": 2}}  # type: ignore[operator]
    (tmp_path / "model" / "model.json").write_text(json.dumps(longer))
    assert key(asked) == before
    other = MODEL | {"config": MODEL["config"] | {"backbone": {"name": "resnet"}}}  # type: ignore[operator]
    (tmp_path / "model" / "model.json").write_text(json.dumps(other))
    assert key(asked) != before


def test_the_report_depends_on_the_recipe_that_it_compares_with(
    key: Callable[..., str | None], tmp_path: Path
) -> None:
    for layer, epochs in (("base", 1), ("tiny", 2)):
        (tmp_path / "conf" / layer).mkdir(parents=True)
        (tmp_path / "conf" / layer / "parameters.yml").write_text(f"pretrain: {{epochs: {epochs}}}\n")
    asked = node("draw_report", stage="report")
    before = key(asked)
    assert before
    (tmp_path / "conf" / "tiny" / "parameters.yml").write_text("pretrain: {epochs: 3}\n")
    assert key(asked) not in (before, None)


@pytest.mark.parametrize(
    ("group", "change"),
    [
        ("pretrain", {"loss": {"name": "my_loss.py:MyLoss"}}),
        ("pretrain", {"initial_weights": "photos@champion"}),
        ("pretrain", {"teacher": {"name": "frozen", "weights": "vit.pth"}}),
        ("model", {"checkpoint": "timm:resnet18"}),
    ],
)
def test_a_training_has_a_key_unless_it_names_code_or_weights(
    key: Callable[..., str | None], catalog: DataCatalog, group: str, change: dict[str, Any]
) -> None:
    values: dict[str, dict[str, Any]] = {
        "pretrain": {"loss": {"name": "dino"}, "initial_weights": None, "teacher": {"name": "ema"}},
        "model": {"checkpoint": None},
    }
    for name, parameters in values.items():
        catalog[f"params:{name}"] = MemoryDataset(parameters, copy_mode="assign")
    inputs = ["features", "params:pretrain", "params:model"]
    training = Node(nothing, inputs=inputs, outputs="model", name="pretrain", tags=["pretrain"])
    before = key(training)
    assert before
    values["pretrain"]["epochs"] = 2
    assert key(training) not in (before, None)
    values[group] |= change
    assert key(training) is None


def test_nodes_without_a_file_or_of_stages_that_find_their_own_results_have_no_key(
    key: Callable[..., str | None], tmp_path: Path
) -> None:
    assert key(node("ingest", stage="ingest")) is None
    in_memory = Node(nothing, inputs="model", outputs="in_memory", name="check", tags=["retrieval"])
    assert key(in_memory) is None
    (tmp_path / "features.json").unlink()
    assert key() is None  # the node itself says what is missing


def test_code_counts_by_what_it_does(
    tmp_path: Path, catalog: DataCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(PACKAGE, tmp_path / "dino_pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(result_key, "_PACKAGE", copy)

    def edit(file: str, old: str, new: str) -> None:
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new, 1))

    def keys() -> tuple[str | None, ...]:
        of = ResultKeys(tmp_path, catalog)
        return of.key(node("evaluate")), of.key(node("probe", stage="probe"))

    before = keys()
    edit("dino/evaluation/measures.py", '"""All measures', '"""Some measures')  # wording
    edit("inference/embed.py", "def ", "def other_")  # no stage imports it
    assert keys() == before
    edit("dino/evaluation/measures.py", 'HELD_OUT = ("val", "test")', 'HELD_OUT = ("test", "val")')
    assert keys()[0] != before[0]
    assert keys()[1] == before[1]
