"""Addresses of databases and servers as people write them. A relative path starts at the project's folder."""

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dino_pipeline.tracking.store import local_path, sqlite_address, sqlite_file, without_passwords

VARIABLE = "MLFLOW_TRACKING_URI"
_SCHEME = re.compile(r"([A-Za-z][\w+.-]*):(?!\d+(?:/|$))")  # mlflow.lab:5000 is a host and its port
_HOST = re.compile(r"[\w.-]+:\d+(?:/|$)")
_DATABASES = ("postgresql", "postgres", "mysql", "mssql")


def tracking_address(text: str, project: Path) -> str:
    """The address of MLflow's store that a value of MLFLOW_TRACKING_URI means. Calls no server.

    Args:
        text: blank means the project's own store, mlruns/mlflow.db.
        project: an absolute path.

    Raises:
        ValueError: MLflow could not use the address. The text says what to write.
    """
    text = text.strip()
    if not text:
        return sqlite_address(project / "mlruns" / "mlflow.db")
    scheme = _scheme(text)
    if scheme.partition("+")[0] in ("sqlite", *_DATABASES):
        return database_address(text, project, name=VARIABLE)
    if scheme in ("http", "https") and urlsplit(text).hostname:
        return text
    if scheme == "databricks":
        if not (os.environ.get("DATABRICKS_HOST") or Path("~/.databrickscfg").expanduser().is_file()):
            raise _refused(
                text, VARIABLE, "set DATABRICKS_HOST and DATABRICKS_TOKEN, or write ~/.databrickscfg"
            )
        return text
    if scheme in entry_points(group="mlflow.tracking_store").names:
        return text
    if scheme not in ("", "file"):
        raise _refused(
            text, VARIABLE, "use sqlite:///mlruns/mlflow.db, a server such as http://host:5000, or unset it"
        )
    if _HOST.match(text):
        raise _refused(text, VARIABLE, f"a server's address starts with http://, as in http://{text}")
    folder = local_path(text)
    if not folder.parts or urlsplit(text).netloc:
        raise _refused(
            text, VARIABLE, "a file's address has one slash or three, as in file:///home/me/mlruns"
        )
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return (project / folder.expanduser()).as_uri()
    database = folder if folder.suffix in (".db", ".sqlite") else folder / "mlflow.db"
    raise _refused(
        text, VARIABLE, f"MLflow keeps new runs in a database, not in a folder: use sqlite:///{database}"
    )


def database_address(text: str, project: Path, *, name: str) -> str:
    """SQLAlchemy's address of a database. A relative path of sqlite becomes absolute.

    Args:
        project: an absolute path, where a relative one starts.
        name: what the user has set, for messages.

    Raises:
        ValueError: the address is not one of a database, or its driver is not installed.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    text = text.strip()
    if _scheme(text).startswith("sqlite"):
        file = sqlite_file(text)
        if file is None:
            rest = text.partition(":")[2].lstrip("/") or "mlflow.db"
            raise _refused(text, name, f"sqlite's address has three slashes, as in sqlite:///{rest}")
        file = Path(os.path.normpath(project / file.expanduser()))
        if file.name in ("", ":memory:") or file.is_dir() or text.endswith("/"):
            raise _refused(text, name, "name a file, as in sqlite:///mlruns/mlflow.db")
        return sqlite_address(file) + "".join(text.partition("?")[1:])
    try:
        make_url(text).get_dialect().import_dbapi()
    except ImportError as error:
        advice = ": pip install dino_pipeline[postgresql]" if "postgres" in text else ""
        raise _refused(text, name, f"its driver {error.name} is not installed here{advice}") from error
    except SQLAlchemyError as error:
        raise _refused(text, name, "use postgresql://user@host/database or sqlite:///file.db") from error
    return text


def _scheme(text: str) -> str:
    found = _SCHEME.match(text)
    return found[1].lower() if found else text if text.startswith("databricks") else ""


def _refused(text: str, name: str, advice: str) -> ValueError:
    return ValueError(f"{name} is {without_passwords(unquote(text))!r}: {advice}")
