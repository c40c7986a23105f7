"""Planted credentials reach no log, no run of MLflow and no output; a real run in a clone shows it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[1]
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "planted-amazon-secret",
    "AWS_ACCESS_KEY_ID": "planted-amazon-key",
    "HF_TOKEN": "planted-hub-token",
    "MLFLOW_TRACKING_PASSWORD": "planted-tracking-password",
    "MLFLOW_TRACKING_TOKEN": "planted-tracking-token",
    "PGPASSWORD": "planted-database-password",
}
IN_FILE = "planted-credentials-file"
IN_ADDRESS = "planted%40address-password"


def kedro(clone: Path, *options: str, **variables: str) -> str:
    """Everything that a run prints, with the secrets in its environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "KEDRO_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["kedro", "run", "--env=smoke", *options],
        cwd=clone,
        env={**kept, **SECRETS, **variables, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "conf" / "local" / "credentials.yml").write_text(f"store: {{key: user, secret: {IN_FILE}}}\n")
    return folder


@pytest.fixture(scope="module")
def output(clone: Path) -> str:
    return kedro(clone)


def written(clone: Path) -> Iterator[Path]:
    """Data, runs, logs: every file but git's own and the one that holds the credentials."""
    for folder in ("data", "mlruns", "conf", "evaluations", ".dvc"):
        for path in (clone / folder).rglob("*"):
            if path.is_file() and path.name != "credentials.yml":
                yield path


def test_no_secret_is_printed_or_written(clone: Path, output: str) -> None:
    files = list(written(clone))
    assert {"mlflow.db", "spec.json", "report.html"} <= {path.name for path in files}, "a run was searched"
    for secret in (*SECRETS.values(), IN_FILE):
        assert secret not in output
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


def test_the_password_of_a_store_that_is_away_is_not_printed(clone: Path, output: str) -> None:
    assert output
    address = f"http://user:{IN_ADDRESS}@127.0.0.1:9"
    printed = kedro(clone, "--pipeline=pretrain", MLFLOW_TRACKING_URI=address)
    assert "MLflow's store does not accept records" in printed, "the warning that could show it"
    assert "planted" not in printed
    assert [path for path in written(clone) if IN_ADDRESS.encode() in path.read_bytes()] == []
