"""The command line: a worker's JSON from a recipe, and a picture that is the registry's."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.config import TrainingSpec

ROOT = Path(__file__).parents[2]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    from dino_pipeline.dino.core.data.manifest import SCHEMA

    row = {"path": "a.png", "split": "train", "width": 8, "height": 8, "bytes": 1, "sha256": "0" * 64}
    path = tmp_path / "manifest.parquet"
    pq.write_table(pa.Table.from_pylist([row], schema=SCHEMA), path)
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
