"""A version becomes the champion where it is better, and for no other reason than a person's."""

import json
import shutil

import numpy as np
import pytest

from dino_pipeline.__main__ import main
from dino_pipeline.tracking import tracker
from tests.registered import RegisteredProject, git, relabelled


@pytest.fixture(autouse=True)
def _tracking_of_this_project(registered: RegisteredProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracker, "_store", tracker.configure(registered.folder))


def promote(registered: RegisteredProject, *arguments: str) -> int:
    return main(["promote", *arguments, f"--project={registered.folder}"])


def entries(registered: RegisteredProject, name: str) -> list[dict[str, object]]:
    experiment = registered.client.get_experiment_by_name("promotions")
    runs = registered.client.search_runs([experiment.experiment_id], f"tags.registered_model = '{name}'")
    return [json.loads(run.data.tags["entry"]) for run in reversed(runs)]


def test_a_better_version_is_promoted_and_the_log_says_by_how_much(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("better", "poor", "good")
    registered.client.set_registered_model_alias("better", "champion", "1")
    assert promote(registered, "better", "2", "--reason=it sees colours") == 0
    assert registered.champion("better") == 2
    (entry,) = entries(registered, "better")
    assert (entry["before"], entry["after"], entry["reason"]) == (1, 2, "it sees colours")
    assert entry["commit"] == git(registered.folder, "rev-parse", "HEAD")
    found = entry["comparison"]
    assert found["before"] == pytest.approx(0.25)  # a quarter are of the one class that a constant names
    assert found["after"] > 0.8
    assert found["data_digest"] == registered.manifest.digest()
    assert found["validation_digest"] == registered.manifest.split("val").digest()
    assert registered.client.get_registered_model("better").aliases.keys() == {"champion"}
    assert "better/2 is the champion" in capsys.readouterr().out


def test_a_version_that_is_no_better_is_refused_and_nothing_moves(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("no_better", "good", "poor", "good")
    registered.client.set_registered_model_alias("no_better", "champion", "1")
    for challenger in ("2", "3"):  # worse, and the same
        assert promote(registered, "no_better", challenger, "--reason=because") == 1
        assert "not promoted: knn_20" in capsys.readouterr().err
    assert promote(registered, "no_better", "1") == 1
    assert "is already the champion" in capsys.readouterr().err
    assert registered.champion("no_better") == 1
    assert main(["promote", "no_better", "--log", f"--project={registered.folder}"]) == 0
    printed = capsys.readouterr().out
    assert "nothing was promoted" in printed
    assert "the alias points to version 1, but the log ends with none" in printed


def test_a_first_champion_that_raw_pixels_beat_needs_a_reason(registered: RegisteredProject) -> None:
    registered.add_model("simple", "poor")
    assert promote(registered, "simple", "1") == 1
    assert registered.champion("simple") is None
    assert promote(registered, "simple", "1", "--reason=the first one") == 0
    assert registered.champion("simple") == 1


def test_a_first_champion_must_beat_raw_pixels_and_rolling_it_back_leads_nowhere(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("first", "poor", "good")
    assert promote(registered, "first", "1") == 1
    assert registered.champion("first") is None
    assert promote(registered, "first", "2") == 0
    assert registered.champion("first") == 2
    capsys.readouterr()
    assert promote(registered, "first", "--rollback", "--reason=no") == 1
    assert "version 2 is the first champion" in capsys.readouterr().err
    assert promote(registered, "first", "--log") == 0
    assert "promotion none -> 2" in capsys.readouterr().out


def test_a_rollback_wants_a_reason_and_stands_in_the_log_as_the_promotion_reversed(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("back", "poor", "good")
    registered.client.set_registered_model_alias("back", "champion", "1")
    assert promote(registered, "back", "2") == 0
    assert promote(registered, "back", "--rollback") == 1
    assert "needs --reason" in capsys.readouterr().err
    assert promote(registered, "back", "2", "--rollback", "--reason=slow") == 1
    assert "was version 1, not 2" in capsys.readouterr().err
    assert promote(registered, "back", "1", "--rollback", "--reason=slow") == 0
    assert registered.champion("back") == 1
    there, back = (entry["comparison"] for entry in entries(registered, "back"))
    assert isinstance(there, dict)
    assert isinstance(back, dict)
    assert back["gain"] == -there["gain"] < 0
    assert back["interval"] == [-there["interval"][1], -there["interval"][0]]
    assert (back["before"], back["after"]) == (there["after"], there["before"])
    capsys.readouterr()
    assert promote(registered, "back", "--log") == 0
    printed = capsys.readouterr().out
    assert printed.index("promotion 1 -> 2") < printed.index("rollback 2 -> 1")
    assert 'reason: "slow"' in printed


def test_a_dirty_tree_is_refused_whether_edited_or_untracked(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("dirty", "good")
    recipe = registered.folder / "conf" / "smoke" / "parameters_promote.yml"
    recipe.write_text("promote: {minimum_gain: 0}\n")
    try:
        assert promote(registered, "dirty", "1") == 1
        assert (
            "has uncommitted changes: commit or stash conf/smoke/parameters_promote.yml"
            in capsys.readouterr().err
        )
    finally:
        recipe.unlink()
    edited = registered.folder / "conf" / "smoke" / "parameters.yml"
    text = edited.read_text()
    edited.write_text(text + "# edited\n")
    try:
        assert promote(registered, "dirty", "1") == 1
        assert "has uncommitted changes: commit or stash conf/smoke/parameters.yml" in capsys.readouterr().err
    finally:
        edited.write_text(text)
    assert registered.champion("dirty") is None


def test_a_model_that_was_trained_from_a_dirty_tree_is_refused(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.client.create_registered_model("edited")
    registered.add_version("edited", like="good", fingerprint="e" * 64, manifest=registered.manifest)
    run = registered.client.get_model_version("edited", "1").run_id
    registered.client.set_tag(run, "git_dirty", "true")
    assert promote(registered, "edited", "1") == 1
    assert "with uncommitted edits" in capsys.readouterr().err
    registered.client.set_tag(run, "git_dirty", "false")
    registered.client.set_tag(run, "mlflow.source.git.commit", "0" * 40)
    assert promote(registered, "edited", "1") == 1
    assert "is not in this repository" in capsys.readouterr().err


def test_data_that_are_gone_or_changed_are_refused(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("gone", "good")
    image = registered.folder / "data" / "01_raw" / "7.png"
    content = image.read_bytes()
    try:
        image.unlink()
        assert promote(registered, "gone", "1") == 1
        assert "1 images are missing: data/01_raw/7.png" in capsys.readouterr().err
        image.write_bytes(content[:-1] + b"?")  # the same size: only its hash tells
        assert promote(registered, "gone", "1", "--verify") == 1
        assert "1 images are changed: data/01_raw/7.png" in capsys.readouterr().err
    finally:
        image.write_bytes(content)
    assert registered.champion("gone") is None


def test_without_labels_a_reason_decides(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    unlabelled = relabelled(registered.manifest, [None] * len(registered.manifest))
    registered.add_model("unlabelled", "poor")
    registered.client.set_registered_model_alias("unlabelled", "champion", "1")
    registered.add_version("unlabelled", like="good", fingerprint="a" * 64, manifest=unlabelled)
    assert promote(registered, "unlabelled", "2") == 1
    assert "give the reason with --reason" in capsys.readouterr().err
    assert promote(registered, "unlabelled", "2", "--reason=people like its neighbours") == 0
    assert registered.champion("unlabelled") == 2
    (entry,) = entries(registered, "unlabelled")
    found = entry["comparison"]
    assert isinstance(found, dict)
    assert (found["metric"], found["interval"]) == ("effective_rank", None)
    assert "without labels" in capsys.readouterr().out


def test_images_that_the_champion_was_trained_on_are_not_asked(registered: RegisteredProject) -> None:
    rows = registered.manifest.table.to_pandas()
    other = type(registered.manifest).from_pandas(
        rows.assign(split=np.where(rows.index < 80, "train", rows["split"])), registered.folder
    )
    registered.client.create_registered_model("leak")
    registered.add_version("leak", like="poor", fingerprint="b" * 64, manifest=other)
    registered.client.set_registered_model_alias("leak", "champion", "1")
    good = registered.client.get_model_version("dino-good", "1")
    registered.client.create_model_version("leak", source=good.source, run_id=good.run_id, tags=good.tags)
    assert promote(registered, "leak", "2") == 0
    found = entries(registered, "leak")[0]["comparison"]
    assert isinstance(found, dict)
    assert found["num_images"] == 20  # of 40, 80 to 100 are left


def test_an_unknown_model_version_or_missing_number_is_an_error_in_words(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("known", "good")
    for arguments, text in (
        (["known", "9"], "Model Version (name=known, version=9) not found"),
        (["unknown", "--log"], "unknown"),
        (["known"], "give the version to promote"),
    ):
        assert promote(registered, *arguments) == 1
        assert text in capsys.readouterr().err


def test_outside_of_git_nothing_is_promoted(
    registered: RegisteredProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered.add_model("no_git", "good")
    hidden = registered.folder.with_name("hidden.git")
    shutil.move(registered.folder / ".git", hidden)
    try:
        assert promote(registered, "no_git", "1") == 1
        assert "is not in a git repository" in capsys.readouterr().err
    finally:
        shutil.move(hidden, registered.folder / ".git")
