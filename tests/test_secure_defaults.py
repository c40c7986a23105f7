"""What nobody has to think of: pins with hashes, servers on loopback, no telemetry."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.analytics import is_enabled
from kedro_telemetry.plugin import _check_for_telemetry_consent

ROOT = Path(__file__).parents[1]
CI_OR_TELEMETRY = re.compile(
    r"TELEMETRY|DO_NOT_TRACK|ANALYTICS|DVC_TEST|PYTEST|MLFLOW|^CI$|GITHUB|JENKINS|BUILD"
)
SERVER = re.compile(r"\b(mlflow (ui|server|models serve)|optuna-dashboard|moto_server|kedro server start)\b")


def test_every_pinned_requirement_has_a_hash_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
    assert len(entries) > 100
    for entry in entries:
        assert re.match(r"[\w.\-\[\],]+==\S+( ;.*)? \\\n", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
        assert "://" not in entry, entry


def test_each_server_that_a_command_starts_binds_to_loopback() -> None:
    documents = [ROOT / "Makefile", ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    commands = [
        line
        for document in documents
        for line in document.read_text().splitlines()
        if line.startswith(("\t@", "    ", "mlflow", "optuna", "kedro server", "dino-pipeline"))
        and SERVER.search(line.replace("$(BIN)/", ""))
    ]
    assert len(commands) >= 2, "make ui and make serve"
    for command in commands:
        assert re.search(r"--host[= ]127\.0\.0\.1", command), command
    everything = "\n".join(document.read_text() for document in documents)
    assert "0.0.0.0" not in everything


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment that says nothing of telemetry, and not that this is a test."""
    for name in list(os.environ):
        if CI_OR_TELEMETRY.search(name) and name != "PYTEST_CURRENT_TEST":  # pytest's own, which it removes
            monkeypatch.delenv(name)
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.mark.usefixtures("bare")
def test_kedro_and_dvc_are_told_by_files_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _check_for_telemetry_consent(ROOT) is False
    monkeypatch.chdir(ROOT)
    assert not is_enabled()


def test_mlflow_is_told_before_it_is_imported(bare: dict[str, str], tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from dino_pipeline import tracking\n"
        "assert 'mlflow' not in sys.modules\n"
        "tracking.configure(Path()); tracking.model_run('0' * 64)\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled, _IS_IN_CI_ENV_OR_TESTING\n"
        "print(is_telemetry_disabled(), _IS_IN_CI_ENV_OR_TESTING)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**bare, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False"]


def test_each_make_command_tells_them_too() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for setting in ("DO_NOT_TRACK := 1", "KEDRO_DISABLE_TELEMETRY := 1", "MLFLOW_DISABLE_TELEMETRY := true"):
        assert f"export {setting}" in makefile
