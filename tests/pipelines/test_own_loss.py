"""The method that docs/methods.md shows, added to a project by that page alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.recipes.cost import training_cost
from dino_pipeline.recipes.reading import project_parameters, watched_groups
from tests.own_method import shown, write

ROOT = Path(__file__).parents[2]
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with the page's method; its code is the installed one."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("conf/base", "conf/smoke"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "src", tmp_path / "src")
    write(tmp_path)
    return tmp_path


def kedro(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["kedro", "run", *arguments],
        cwd=checkout,
        env=os.environ | {"PATH": PATH, "KEDRO_DISABLE_TELEMETRY": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_its_recipe_is_checked_in_the_project_folder(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert yaml.safe_load(shown("yaml")).keys() >= set(watched_groups())
    config = from_dict(PretrainConfig, project_parameters(checkout, "my_method")["pretrain"])
    assert training_cost(config, root=checkout).flops_per_image > 0
    with pytest.raises(ValueError, match=r"my_loss\.py does not exist"):
        training_cost(config)
    monkeypatch.chdir(checkout)
    assert not main(["check-recipes", "my_method"])
    assert "my_method" in capsys.readouterr().out


@pytest.mark.full
def test_kedro_trains_it_and_the_model_needs_its_file_no_more(checkout: Path) -> None:
    named = "--params=pretrain.loss.name=my_loss.py:MyLoss"
    refused = kedro(checkout, "--env=smoke", "--pipeline=pretrain", named)
    assert refused.returncode
    assert "pretrain.loss.options.variance_weight is missing" in refused.stdout
    run = kedro(
        checkout, "--env=smoke", "--pipeline=pretrain", f"{named},pretrain.loss.options.variance_weight=1.0"
    )
    assert not run.returncode, run.stdout
    store = f"sqlite:///{checkout / 'mlruns' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=store, registry_uri=store)
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    (trained,) = [one for one in runs if one.data.params.get("pretrain.loss.name") == "my_loss.py:MyLoss"]
    assert trained.data.metrics["spread"] > 0
    assert trained.data.params["pretrain.loss.options.variance_weight"] == "1.0"
    (checkout / "my_loss.py").unlink()
    later = "extract,probe,evaluate,report,register"
    used = kedro(checkout, "--env=smoke", f"--pipelines={later}", f"--tags={later}")
    assert not used.returncode, used.stdout
