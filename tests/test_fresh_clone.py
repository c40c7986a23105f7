"""What the README promises, tried in a clone: commands are quiet, redo nothing, and leave the clone clean."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

pytestmark = [pytest.mark.full, pytest.mark.early]

ROOT = Path(__file__).parents[1]


def run(clone: Path, *command: str) -> str:
    """Run a command of the README as a person would; its whole output."""
    done = subprocess.run(
        command,
        cwd=clone,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def environment() -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "KEDRO_", "PYTHON"))
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what is committed, in which `kedro run --env=smoke` has run."""
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    output = run(folder, "kedro", "run", "--env=smoke")
    assert "warning" not in output.lower(), output
    assert "registered dino-smoke version 1" in output
    assert git_status(folder) == ""
    return folder


def git_status(clone: Path) -> str:
    return run(clone, "git", "status", "--porcelain")


@pytest.fixture(scope="module")
def reproduced(clone: Path) -> Path:
    """The clone after a first `dvc repro` of the recipe that Kedro ran."""
    (clone / "conf" / "dvc_recipe.yml").write_text("recipe: smoke\n")
    output = run(clone, "dvc", "repro")
    assert "this model is trained already" in output, "a model that `kedro run` trained is not trained again"
    assert "steps to go" not in output
    return clone


def test_a_pipeline_by_its_name_runs_without_a_warning_and_trains_nothing_again(clone: Path) -> None:
    output = run(clone, "kedro", "run", "--pipeline=pretrain", "--env=smoke")
    assert "warning" not in output.lower(), output
    assert "this model is trained already" in output
    assert "steps to go" not in output


def test_the_run_ended_well_and_holds_training_and_evaluation(clone: Path) -> None:
    from mlflow import MlflowClient

    store = f"sqlite:///{clone / 'mlruns' / 'mlflow.db'}"
    client = MlflowClient(store, store)  # the registry would else be that of another test
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (model,) = client.search_runs(experiments)
    assert model.info.status == "FINISHED"
    assert {"loss", "knn_teacher", "images_seen", "test/teacher/knn_20"} <= model.data.metrics.keys()
    assert {"recipe", "data_digest", "fingerprint", "mlflow.source.git.commit"} <= model.data.tags.keys()
    files = {artifact.path for artifact in client.list_artifacts(model.info.run_id)}
    assert {"configuration.json", "history.csv", "metrics.json", "attention.png", "report.html"} <= files
    assert client.get_model_version_by_alias("dino-smoke", "challenger").run_id == model.info.run_id


def test_a_second_repro_does_nothing(reproduced: Path) -> None:
    output = run(reproduced, "dvc", "repro")
    assert "Data and pipelines are up to date" in output
    assert "Running stage" not in output


@pytest.mark.parametrize(
    ("edited", "below", "text", "stages"),
    [
        ("src/dino_pipeline/dino/metrics/knn.py", "", "\n# edited\n", {"evaluate"}),
        ("conf/smoke/parameters.yml", "\nevaluate:\n", "  knn: {temperature: 0.1}\n", {"evaluate"}),
        ("src/dino_pipeline/dino/core/losses/methods/dino.py", "", "\n# edited\n", {"pretrain"}),
        ("conf/smoke/parameters.yml", "", "launch: {cpu_processes: 1}\n", set()),
    ],
)
def test_an_edit_reruns_what_it_touches(
    reproduced: Path, edited: str, below: str, text: str, stages: set[str]
) -> None:
    file = reproduced / edited
    before = file.read_text()
    place = before.index(below) + len(below) if below else len(before)
    file.write_text(before[:place] + text + before[place:])
    try:
        changed = json.loads(run(reproduced, "dvc", "status", "--json", "dvc.yaml"))
    finally:
        file.write_text(before)
    assert changed.keys() == stages


def test_the_commands_leave_the_clone_clean(reproduced: Path) -> None:
    left = [line for line in git_status(reproduced).splitlines() if "conf/dvc_recipe.yml" not in line]
    assert left == ["?? dvc.lock"], "dvc.lock is for people to commit; all else is ignored"


def test_listing_the_pipelines_imports_nothing_heavy(clone: Path) -> None:
    output = run(clone, sys.executable, "-X", "importtime", "-m", "kedro", "registry", "list")
    assert "- pretrain" in output
    imported = {
        line.split("|")[-1].strip() for line in output.splitlines() if line.startswith("import time:")
    }
    assert "dino_pipeline.pipelines.register" in imported
    assert not imported & {"torch", "timm", "torchvision", "mlflow", "skimage", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (
            "--params=pretrain.epoch=3",
            "Error: pretrain.epoch is 3, but there is no such parameter: did you mean epochs?",
        ),
        ("--env=smok", "Error: There is no recipe 'smok'"),
        ("--params=ingest.source=/no/such/folder", "Error: ingest.source: /no/such/folder does not exist"),
    ],
)
def test_a_mistake_is_an_error_in_words(clone: Path, option: str, text: str) -> None:
    command = ["kedro", "run", "--pipelines=pretrain", option]
    done = subprocess.run(
        command,
        cwd=clone,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert text in done.stdout
    assert "Traceback" not in done.stdout


def test_the_wheel_holds_the_recipes_and_works_without_a_checkout(clone: Path, tmp_path: Path) -> None:
    python = sys.executable
    run(clone, python, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    run(
        clone,
        python,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(installed),
        str(wheel),
    )
    recipes = {path.parent.name for path in (installed / "dino_pipeline" / "conf").glob("*/parameters.yml")}
    assert recipes == {path.parent.name for path in ROOT.glob("conf/*/parameters.yml")}
    for stages in ("dvc.yaml", "evaluations/dvc.yaml"):
        assert (installed / "dino_pipeline" / stages).is_file(), (
            "dino-pipeline init writes it into new projects"
        )
    manifest = clone / "data" / "03_primary" / "smoke" / "manifest.parquet"
    lines = (
        "import sys",
        f"sys.path.insert(0, {str(installed)!r})",
        "from dino_pipeline.__main__ import main",
    )
    code = "; ".join([*lines, "sys.exit(main())"])
    command = ["spec", "--recipe=smoke", f"--manifest={manifest}", f"--images={clone}", "--folder=training"]
    spec = json.loads(run(tmp_path, python, "-c", code, *command))
    assert spec["pretrain"]["epochs"] == 2
    assert not (clone / "dist").exists()


def test_a_flat_folder_with_damaged_files_goes_all_the_way(clone: Path, tmp_path: Path) -> None:
    for index in range(60):
        pixels = np.random.default_rng(index).integers(0, 256, (64, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.jpg")
    (tmp_path / "cut short.jpg").write_bytes((tmp_path / "0.jpg").read_bytes()[:900])
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").write_text("no image")
    parameters = f"--params=ingest.source={tmp_path},pretrain.epochs=1"
    output = run(clone, "kedro", "run", "--env=folder_of_images", parameters)
    assert f"registered dino-{tmp_path.name} version 1" in output  # other images than the recipe's
    assert "Warning" not in output, output
    quarantine = (clone / "data/03_primary/folder_of_images/quarantine.csv").read_text()
    assert {"cut short.jpg", "empty.png", "notes.txt"} == {
        Path(line.split(",")[0]).name for line in quarantine.splitlines()[1:]
    }


def test_16_bit_grey_and_five_channels_go_all_the_way(clone: Path, tmp_path: Path) -> None:
    for index in range(40):
        random = np.random.default_rng(index)
        grey = random.integers(0, 4096, (24, 28)).astype(np.uint16)
        five = random.integers(0, 256, (24, 28, 5), dtype=np.uint8)
        for kind in ("grey", "five"):
            (tmp_path / kind / f"class {index % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey).save(tmp_path / "grey" / f"class {index % 2}" / f"{index}.png")
        file = tmp_path / "five" / f"class {index % 2}" / f"{index}.tif"
        tifffile.imwrite(file, five, photometric="minisblack", planarconfig="contig")
    for kind, channels, bits in (("grey", 1, 16), ("five", 5, 8)):
        parameters = {
            "ingest.source": tmp_path / kind,
            "pretrain.images.channels": channels,
            "pretrain.images.bits": bits,
            "pretrain.mean": "measured",
            "pretrain.std": "measured",
            "pretrain.epochs": 1,
            "pretrain.batch_size": 8,
        }
        options = ",".join(f"{name}={value}" for name, value in parameters.items())
        output = run(clone, "kedro", "run", "--env=smoke", f"--params={options}")
        assert f"registered dino-{kind} version" in output
        assert "warning" not in output.lower(), output
        config = json.loads((clone / "data/06_models/smoke/model.json").read_text())["config"]
        assert config["images"] == {"channels": channels, "bits": bits}
        assert len(config["mean"]) == len(config["std"]) == channels
        assert config["backbone"]["options"]["in_chans"] == channels
