"""From a version to what made it; from data and images to the versions that saw them."""

import hashlib
import shutil
from pathlib import Path

import pytest

from dino_pipeline.__main__ import main
from dino_pipeline.tracking import tracker
from tests.registered import RegisteredProject, git, relabelled


@pytest.fixture(autouse=True)
def _tracking_of_this_project(registered: RegisteredProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracker, "_store", tracker.configure(registered.folder))


def lineage(registered: RegisteredProject, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["lineage", *arguments, f"--project={registered.folder}"]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_version_leads_to_commit_data_and_parameters(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = lineage(registered, capsys, "dino-good/1")
    commit = git(registered.folder, "rev-parse", "HEAD")[:12]
    run = registered.client.get_model_version("dino-good", "1").run_id
    digest = registered.manifest.digest()[:12]
    assert f"commit {commit}, in this repository" in printed
    assert f"digest {digest}: 120 images (train 60, val 40, test 20), data/manifest.parquet" in printed
    assert "all files are here (100 hashed again)" in printed
    assert f"2 values, configuration.json of MLflow run {run}" in printed
    assert f"git checkout {commit} && kedro run --env=smoke --pipeline=pretrain" in printed
    assert lineage(registered, capsys, run) == printed
    assert lineage(registered, capsys, "models:/dino-good@challenger") == printed
    assert "all files are here (120 hashed again)" in lineage(registered, capsys, "dino-good/1", "--verify")


def test_it_says_what_can_no_longer_be_had(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.client.create_registered_model("lost")
    registered.add_version("lost", like="good", fingerprint="1" * 64, manifest=registered.manifest)
    run = registered.client.get_model_version("lost", "1").run_id
    registered.client.set_tag(run, "mlflow.source.git.commit", "0" * 40)
    image = registered.folder / "data" / "01_raw" / "0.png"
    content = image.read_bytes()
    image.unlink()
    try:
        printed = lineage(registered, capsys, "lost/1")
    finally:
        image.write_bytes(content)
    assert "commit 000000000000 is not in this repository" in printed
    assert "1 images are missing: data/01_raw/0.png" in printed
    assert "can no longer be made again from what is here: code, data" in printed


def test_a_manifest_that_mlflow_lost_is_found_in_the_project_and_then_nowhere(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = [f"b {index % 2}" for index in range(len(registered.manifest))]
    other = relabelled(registered.manifest, labels)
    run = registered.add_run("2" * 64, other)
    artifacts = registered.folder / "mlruns" / "artifacts" / run / "artifacts" / "data"
    assert artifacts.is_dir()
    shutil.rmtree(artifacts)
    assert f"data/06_models/.in_progress/{'2' * 64}/manifest.parquet; all files" in lineage(
        registered, capsys, run
    )
    shutil.rmtree(registered.folder / "data" / "06_models" / ".in_progress" / ("2" * 64))
    assert "no manifest is left" in lineage(registered, capsys, run)
    image = lineage(registered, capsys, "data/01_raw/3.png")
    assert f"whose manifest is gone: {other.digest()[:12]}" in image
    registered.client.delete_run(run)


def test_data_lead_to_their_models(registered: RegisteredProject, capsys: pytest.CaptureFixture[str]) -> None:
    printed = lineage(registered, capsys, registered.manifest.digest())
    assert "dino-good/1 (challenger)" in printed
    assert "dino-poor/1 (challenger)" in printed
    assert "120 images" in printed


def test_an_image_leads_to_the_models_that_saw_it_by_path_and_by_hash(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    image = registered.folder / "data" / "01_raw" / "3.png"
    by_path = lineage(registered, capsys, str(image))
    (line,) = [line for line in by_path.splitlines() if "dino-good/1 (challenger)" in line]
    assert line.endswith(": trained on it (data/01_raw/3.png, train)")
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    assert lineage(registered, capsys, sha256).splitlines()[1:] == by_path.splitlines()[2:]
    assert "chosen by it (data/01_raw/61.png, val)" in lineage(
        registered, capsys, str(image.with_name("61.png"))
    )
    copy = registered.folder / "data" / "elsewhere.png"  # moved: its bytes tell
    shutil.copy(image, copy)
    assert "trained on it (data/01_raw/3.png, train)" in lineage(registered, capsys, str(copy))
    copy.write_bytes(b"another image")
    assert "no model saw it" in lineage(registered, capsys, str(copy))
    assert "no model saw it" in lineage(registered, capsys, "f" * 64)


def test_another_image_at_an_old_path_is_told_from_the_one_that_was_seen(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    image = registered.folder / "data" / "01_raw" / "5.png"
    content = image.read_bytes()
    image.write_bytes(b"overwritten since")
    try:
        assert "other bytes lay at this path then" in lineage(registered, capsys, str(image))
    finally:
        image.write_bytes(content)


def test_an_unknown_version_is_an_error_in_words(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "dino-good/99", f"--project={registered.folder}"]) == 1
    assert "no such model" in capsys.readouterr().err


def test_a_folder_that_is_no_project_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "dino-good/1", f"--project={tmp_path}"]) == 1
    assert str(tmp_path) in capsys.readouterr().err
