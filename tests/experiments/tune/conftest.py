"""Databases on loopback, and a study's question that needs no training."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dino_pipeline.recipes.reading import recipe_parameters
from tests.ports import free_port


@pytest.fixture(scope="session")
def demo() -> dict[str, Any]:
    """The parameters of conf/base."""
    return recipe_parameters("base")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of an empty database of a server that is started for the tests, as Debian's package brings it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("no PostgreSQL: apt install postgresql")
    binaries = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # pytest's own folders are shut to other users
    prefix: list[str] = []
    if os.geteuid() == 0:  # which the server refuses
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        prefix = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*prefix, str(binaries / program), *arguments], check=True, cwd="/", capture_output=True
        )

    port = free_port()
    data = str(folder / "data")
    run("initdb", "--pgdata", data, "--auth=trust", "--username=tuner", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {port} -c fsync=off"
    run("pg_ctl", "--pgdata", data, "--wait", "--log", str(folder / "log"), "--options", options, "start")
    try:
        yield f"postgresql://tuner@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "--pgdata", data, "--wait", "--mode=immediate", "stop")
        shutil.rmtree(folder)
