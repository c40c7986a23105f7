"""MLflow's store: find its address, connect without noise, and create a missing sqlite file."""

import fcntl
import logging
import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from dino_pipeline.dino.partial import partial_path

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "dino_pipeline"
_SQLITE = re.compile(r"(?i)sqlite(?:\+pysqlite)?:///(?P<path>[^?]*)(?:\?.*)?")
_SECONDS_TO_WAIT = 5.0  # wait for another writer of the database
ARTIFACTS_FOLDER = "artifacts"  # beside the sqlite file


@dataclass(frozen=True, kw_only=True)
class Store:
    """The address of the store, and the tags of every run that this project creates."""

    uri: str
    project_path: Path
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """The sqlite file; None for other stores."""
        return sqlite_file(self.uri)


def quieten() -> None:
    """Call before MLflow is imported: no telemetry, few log lines, and an outage shows in seconds, not minutes."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "PGCONNECT_TIMEOUT": "10",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)
    # MLflow logs each failure with a traceback.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    # MLflow logs each value that a GPU lacks, at every sample.
    logging.getLogger("mlflow.system_metrics.metrics.gpu_monitor").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # logs each retry


def store_errors() -> tuple[type[Exception], ...]:
    """The exceptions of a store that is unreachable, locked, broken or full."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, SQLAlchemyError, OSError)


def connect(store: Store) -> "MlflowClient":
    """A client of the store. A missing sqlite file is created."""
    from mlflow import MlflowClient

    if store.file:
        store.file.parent.mkdir(parents=True, exist_ok=True)
        if not store.file.exists():
            _create_database(store.file)
        _check_answer(store.file)
    return MlflowClient(tracking_uri=store.uri, registry_uri=store.uri)


def _create_database(file: Path) -> None:
    """Create MLflow's sqlite file whole or not at all: its migrations take seconds, and a kill may interrupt them."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unfinished = partial_path(file)
    try:
        _check_answer(unfinished)
        # A client would put the path of the current folder into SQL, where an apostrophe ends it.
        SqlAlchemyStore(sqlite_address(unfinished), (file.parent / ARTIFACTS_FOLDER).as_uri())  # type: ignore[no-untyped-call]
        try:
            os.link(unfinished, file)  # unlike a rename, this never replaces what another process has made
        except FileExistsError:
            return
        except OSError:  # no hard links here
            unfinished.rename(file)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_answer(file: Path) -> None:
    """Check the database itself first: MLflow tries for minutes, ten times, to open a locked or broken one."""
    with closing(sqlite3.connect(file, timeout=_SECONDS_TO_WAIT, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise OSError(_why(file, error)) from error


def _why(file: Path, error: sqlite3.Error) -> str:
    """The error; sqlite takes a file system without locks for a locked database, or for a broken disk."""
    with tempfile.TemporaryFile(dir=file.parent) as probe:
        try:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            advice = "name a store on another disk, or a server, by MLFLOW_TRACKING_URI"
            return f"{cause.strerror} for sqlite: {advice}, not in {file.parent}"
    return f"{file}: {error}"


def experiment_id(client: "MlflowClient", store: Store, name: str = EXPERIMENT) -> str:
    """The id of an experiment; a missing one is created. All models share one, since MLflow compares within a table."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        artifacts = (store.file.parent / ARTIFACTS_FOLDER).as_uri() if store.file else None
        try:
            return client.create_experiment(name, artifact_location=artifacts)
        except MlflowException:
            # Another process created it first.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return experiment.experiment_id


@contextmanager
def global_address(uri: str) -> Iterator[None]:
    """Set the process's address, which MLflow's model registry reads, and restore it afterwards."""
    import mlflow

    names = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    before = {name: os.environ.get(name) for name in names}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def silence() -> Iterator[None]:
    """Suppress what MLflow prints outside its loggers, such as a line for each registered version."""
    from mlflow.utils.logging_utils import disable_logging, enable_logging

    disable_logging()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        enable_logging()  # type: ignore[no-untyped-call]


def all_pages(search: Callable[..., Any], *args: Any, **options: Any) -> Iterator[Any]:
    """All results of a search of MLflow's client, page by page."""
    token = None
    while True:
        page = search(*args, **options, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error of the store into one plain line.

    Raises:
        ValueError: the store does not answer, or lacks the requested item.
    """
    try:
        yield
    except store_errors() as error:
        raise ValueError(f"MLflow: {in_short(error)}") from error


def in_short(error: BaseException) -> str:
    """The error in part of a line, without a password from an address."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return without_passwords(line)[:160]


def without_passwords(text: str) -> str:
    """The text with the user and password removed from its addresses."""
    # Up to the last @ before the path: people write an @ of the password unescaped.
    return re.sub(r"//[^/\s]*@", "//", text)


def sqlite_file(address: str) -> Path | None:
    """The file that an address of sqlite names; None for other addresses."""
    found = _SQLITE.fullmatch(address)
    return Path(unquote(found["path"])) if found else None


def sqlite_address(file: Path) -> str:
    """SQLAlchemy's address of an sqlite file. In it a ? starts options, and a % starts a code."""
    path = str(file).replace("%", "%25").replace("?", "%3F")
    # MLflow makes the folders of an address that starts with sqlite:/// and does not decode them.
    return f"sqlite{'+pysqlite' if '%' in path else ''}:///{path}"


def local_path(address: str) -> Path:
    """The path of a `file:` address, or of a plain path."""
    return Path(unquote(urlsplit(address).path) if address.startswith("file:") else address)
