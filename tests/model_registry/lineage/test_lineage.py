"""From a version to what made it; from data and images to the versions that saw them."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from dino_pipeline import tracking
from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.data.manifest import write_manifest
from dino_pipeline.tracking import tracker
from dino_pipeline.tracking.dataset import log_dataset
from dino_pipeline.tracking.runs import manifest_artifact
from tests.model_registry.conftest import SUMMARY
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
    assert "cannot be trained again from this project; missing: code, data" in printed


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
    assert "no manifest was found" in lineage(registered, capsys, run)
    image = lineage(registered, capsys, "data/01_raw/3.png")
    assert f"because its manifest is missing: {other.digest()[:12]}" in image
    registered.client.delete_run(run)


def test_a_run_of_an_older_version_and_what_measured_its_model_since(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fingerprint, first = "3" * 64, registered.manifest
    newest = relabelled(first.take(np.arange(119)), [f"c {index % 2}" for index in range(119)])
    run_id = registered.add_run(fingerprint, first)  # with the place of before, data/manifest.parquet
    name = manifest_artifact(newest.digest())
    write_manifest(newest, tmp_path / Path(name).name)
    with tracking.open_model_run(fingerprint, name="as it was") as run:
        for data, context in ((first, "training"), (newest, "evaluation")):
            summary = SUMMARY | {"digest": data.digest(), "num_classes": 2, "is_labelled": True}
            log_dataset(run, summary, context=context)
        run.log_artifact(tmp_path / Path(name).name, "data/manifests")
        run.set_tags({"data_digest": newest.digest()})

    def lines(image: str) -> list[str]:
        printed = lineage(registered, capsys, str(registered.folder / "data" / "01_raw" / image))
        return [line for line in printed.splitlines() if "smoke-333333" in line]

    try:
        digest = newest.digest()[:12]
        assert f"digest {digest}: 119 images (train 60, val 40, test 19), {name} of MLflow run" in lineage(
            registered, capsys, run_id
        )
        shutil.rmtree(registered.folder / "data" / "06_models" / ".in_progress" / fingerprint)
        assert f"smoke-333333, not registered; its newest data is {digest}" in lineage(
            registered, capsys, first.digest()
        )
        assert lines("3.png") == [
            "  smoke-333333, not registered: used for training (data/01_raw/3.png, train)"
        ]
        assert lines("119.png") == [
            "  smoke-333333, not registered: used for the test (data/01_raw/119.png, test)"
        ]
    finally:
        registered.client.delete_run(run_id)


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
    assert line.endswith(": used for training (data/01_raw/3.png, train)")
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    assert lineage(registered, capsys, sha256).splitlines()[1:] == by_path.splitlines()[2:]
    assert "used for validation (data/01_raw/61.png, val)" in lineage(
        registered, capsys, str(image.with_name("61.png"))
    )
    copy = registered.folder / "data" / "elsewhere.png"  # moved: its bytes tell
    shutil.copy(image, copy)
    assert "used for training (data/01_raw/3.png, train)" in lineage(registered, capsys, str(copy))
    copy.write_bytes(b"another image")
    assert "no model used it" in lineage(registered, capsys, str(copy))
    assert "no model used it" in lineage(registered, capsys, "f" * 64)


def test_another_image_at_an_old_path_is_told_from_the_one_that_was_seen(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    image = registered.folder / "data" / "01_raw" / "5.png"
    content = image.read_bytes()
    image.write_bytes(b"overwritten since")
    try:
        assert "at that time the file had other contents" in lineage(registered, capsys, str(image))
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
