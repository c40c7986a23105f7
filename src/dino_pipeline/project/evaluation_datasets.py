"""Kedro datasets for features and probes. pandas would store features as a list per image."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

from kedro.io import AbstractDataset, DatasetError

from dino_pipeline.dino.evaluation.features import Features, read_features, write_features

T = TypeVar("T")


class _StoredFile(AbstractDataset[T, T], Generic[T]):
    """A file that a stage makes. Equal values give equal bytes."""

    stage: str
    what: str

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> T:
        """Read the file.

        Raises:
            DatasetError: the file does not exist yet; the text says how to make it.
        """
        if not self._exists():
            recipe = self._filepath.parent.name  # the catalog has data/<layer>/<recipe>/<file>
            raise DatasetError(
                f"There are no {self.what} at {self._filepath} yet: run kedro run --env={recipe} "
                f"--pipeline={self.stage}."
            )
        return self.read(self._filepath)

    def save(self, data: T) -> None:
        """Write the file."""
        self.write(self._filepath, data)

    @abstractmethod
    def read(self, path: Path) -> T:
        """Read values from a file."""

    @abstractmethod
    def write(self, path: Path, data: T) -> None:
        """Write values to a file."""

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class FeaturesDataset(_StoredFile[Features]):
    """Loads and saves `Features`."""

    stage = "extract"
    what = "features"

    def read(self, path: Path) -> Features:
        """Read features from a file."""
        return read_features(path)

    def write(self, path: Path, data: Features) -> None:
        """Write features to a file."""
        write_features(path, data)


class LinearProbesDataset(_StoredFile[dict[str, Any]]):
    """Loads and saves `LinearProbes` by the name of their network."""

    stage = "probe"
    what = "linear probes"

    def read(self, path: Path) -> dict[str, Any]:
        """Read probes from a file."""
        from dino_pipeline.dino.evaluation.linear_probe.probes import read_probes

        return read_probes(path)

    def write(self, path: Path, data: dict[str, Any]) -> None:
        """Write probes to a file."""
        from dino_pipeline.dino.evaluation.linear_probe.probes import write_probes

        write_probes(path, data)
