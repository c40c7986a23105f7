"""`dino-pipeline doctor` prints a table, writes JSON, and its exit status says whether a check failed."""

import json
from pathlib import Path

import pytest

from dino_pipeline.__main__ import main
from dino_pipeline.dino.doctor.examination import NAMES


def test_the_table_and_the_json_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "doctor.json"
    arguments = ["doctor", "--only", "versions", "space", f"--folder={tmp_path}", f"--output={file}"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    report = json.loads(file.read_text())
    assert [check["check"] for check in report["checks"]] == ["versions", "space"]
    assert all(check["found"] in printed for check in report["checks"])
    assert report["packages"]["torch"]
    assert "gpus" in report


def test_a_failed_check_is_the_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "doctor.json"
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--only", "space", "versions", f"--folder={tmp_path / 'absent'}", f"--output={file}"])
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    assert "failed" in printed
    assert "-> free it" in printed
    assert [check["status"] for check in json.loads(file.read_text())["checks"]] == ["failed", "passed"]


def test_an_unknown_check_is_refused_with_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--only", "fever"]) == 1
    assert "no check fever: take some of versions, space" in capsys.readouterr().err


@pytest.mark.full
def test_all_checks_pass_here(tmp_path: Path) -> None:
    file = tmp_path / "doctor.json"
    assert main(["doctor", f"--folder={tmp_path}", f"--output={file}"]) == 0
    checks = {check["check"]: check for check in json.loads(file.read_text())["checks"]}
    assert tuple(checks) == NAMES
    for name in ("versions", "space", "collectives", "resume", "loader"):
        assert checks[name]["status"] == "passed", checks[name]
    assert "equal bit for bit" in checks["resume"]["found"]
