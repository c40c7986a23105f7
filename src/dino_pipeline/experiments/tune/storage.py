"""Where studies are kept: a journal file that many processes may write, or a database for many machines."""

from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.tracking.store import in_short

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(address: str | None, journal: Path) -> "BaseStorage":
    """The storage, its file or tables made where there are none.

    Args:
        address: of a database, as SQLAlchemy writes them: postgresql://user@host/database.
        journal: the file that serves where there is no address.

    Raises:
        ValueError: the database does not answer, or its driver is not installed.
    """
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for each trial is the search's to write
    if address is None:
        journal.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(journal)))
    try:
        return RDBStorage(address)
    except ImportError as error:
        raise ValueError(
            "tune.storage: the database's driver is missing; for PostgreSQL: pip install dino_pipeline[postgresql]"
        ) from error
    except SQLAlchemyError as error:
        raise ValueError(f"tune.storage: the database cannot be used: {in_short(error)}") from error
