"""Dataset types of the catalog: folders, which nodes receive as absolute paths, and values that may be absent."""

import os
import shutil
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from dino_pipeline.dino.partial import partial_path


class FolderDataset(AbstractDataset[Path, Path]):
    """A folder, loaded as its absolute path.

    A working folder has no marker; a missing one is created. A product has a marker, a file that shows that it
    is finished. Saving replaces the product by a copy of the folder that the node returns, whole or not at all.
    """

    def __init__(
        self, *, filepath: str, marker: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        self._filepath = Path(filepath)
        self._marker = marker
        self.metadata = metadata

    def load(self) -> Path:
        """The folder's path.

        Raises:
            DatasetError: the product does not exist yet, or the working folder cannot be made; the text says what
                to do.
        """
        if self._marker is None:
            try:
                self._filepath.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DatasetError(
                    f"The folder {self._filepath} cannot be created ({error.strerror}): free the disk or correct "
                    "its permissions, or give another folder in conf/local/catalog.yml."
                ) from error
        elif not self._exists():
            command = f"kedro run --env={self._filepath.name}"
            raise DatasetError(
                f"There is no {self._filepath.name}/{self._marker} in {self._filepath.parent} yet. Create it with "
                f"`{command}`, or with `{command} --pipeline=NAME`, which runs all stages that it needs."
            )
        return self._filepath.absolute()

    def save(self, data: Path) -> None:
        """Publish a finished folder.

        Raises:
            DatasetError: the folder lacks the marker, or this is a working folder.
        """
        if self._marker is None or not (data / self._marker).is_file():
            raise DatasetError(
                f"{data} contains no {self._marker}, so it is not a finished {self._filepath.name}."
            )
        if data.absolute() == self._filepath.absolute():
            return
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        scratch = partial_path(self._filepath)
        scratch.mkdir()
        try:
            fresh = shutil.copytree(data, scratch / "fresh")
            if self._filepath.exists():
                self._filepath.rename(scratch / "replaced")
            fresh.rename(self._filepath)
        finally:
            shutil.rmtree(scratch)

    def _exists(self) -> bool:
        return (self._filepath / self._marker).is_file() if self._marker else self._filepath.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": os.fspath(self._filepath), "marker": self._marker}


class OptionalDataset(AbstractDataset[Any, Any]):
    """Another dataset's value, or None where it does not exist yet. It is read-only."""

    def __init__(self, *, dataset: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        self._dataset: AbstractDataset[Any, Any] = AbstractDataset.from_config("optional", dataset)
        self.metadata = metadata

    def load(self) -> Any:
        """The value, or None."""
        return self._dataset.load() if self._dataset.exists() else None

    def save(self, _data: Any) -> None:
        """Refuse to save.

        Raises:
            DatasetError: always.
        """
        raise DatasetError(f"{self} is read-only.")

    def _exists(self) -> bool:
        return self._dataset.exists()

    def _describe(self) -> dict[str, Any]:
        return {"dataset": str(self._dataset)}
