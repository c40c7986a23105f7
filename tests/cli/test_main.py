"""The command line: quick help, documented commands, a worker's JSON, and a picture that is the registry's."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dino_pipeline.__main__ import COMMANDS, main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.config import TrainingSpec

ROOT = Path(__file__).parents[2]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    from dino_pipeline.dino.core.data.manifest import SCHEMA

    row = {"path": "a.png", "split": "train", "width": 8, "height": 8, "bytes": 1}
    rows = [row | {"sha256": f"{index:064}"} for index in range(200)]
    path = tmp_path / "manifest.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def spec(manifest: Path, *more: str) -> TrainingSpec:
    output = manifest.with_name("spec.json")
    required = ["--recipe=smoke", f"--manifest={manifest}", f"--folder={manifest.with_name('training')}"]
    assert main(["spec", *required, f"--output={output}", *more]) == 0
    return from_dict(TrainingSpec, json.loads(output.read_text()))


def test_a_spec_is_the_recipe_with_what_was_set(manifest: Path) -> None:
    plain, longer = (
        spec(manifest),
        spec(manifest, "--set=pretrain.epochs=7", "--set=pretrain.loss.center_momentum=0.5"),
    )
    assert (longer.pretrain.epochs, longer.pretrain.loss.center_momentum) == (7, 0.5)
    assert longer.pretrain.backbone == plain.pretrain.backbone
    assert longer.fingerprint != plain.fingerprint
    assert plain.recipe == "smoke"


def test_paths_of_a_spec_are_absolute(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(manifest.parent)
    written = spec(Path("manifest.parquet").absolute(), "--images=.")
    assert written.image_root == str(manifest.parent)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--recipe=smoke", "--set=pretrain.epochs"], "KEY=VALUE"),
        (["--recipe=smoke", "--set=pretrain.epoch=3"], "epoch"),
        (["--recipe=smok"], "no recipe 'smok'"),
        (["--recipe=smoke", "--set=pretrain.batch_size=256"], "only 200 training images"),
    ],
)
def test_a_wrong_spec_is_an_error_in_words(
    manifest: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    assert main(["spec", *arguments, f"--manifest={manifest}", "--folder=x"]) == 1
    assert text in capsys.readouterr().err


def test_the_readmes_picture_is_the_registrys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["picture"]) == 0
    drawn = capsys.readouterr().out
    assert drawn == (ROOT / "docs" / "pipelines.svg").read_text(), "make picture draws it again"


def test_the_parser_imports_nothing_slow() -> None:
    code = (
        "import sys, dino_pipeline.__main__ as command\n"
        "command._parser()\n"
        "print(*{'click', 'kedro', 'mlflow', 'numpy', 'pandas', 'torch', 'yaml'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_each_command_explains_itself_and_is_in_the_docs(
    command: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    name = command.__name__.rpartition(".")[2].replace("_", "-")
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: dino-pipeline {name}")
    assert f"`dino-pipeline {name}" in (ROOT / "docs" / "commands.md").read_text()
