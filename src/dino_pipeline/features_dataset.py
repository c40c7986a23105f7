"""Features as a Kedro dataset: fixed-size vectors in Parquet, which pandas would hold as a list an image."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from dino_pipeline.dino.evaluation.features import Features, read_features, write_features


class FeaturesDataset(AbstractDataset[Features, Features]):
    """Loads and saves `Features`; equal features make equal files."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Features:
        """Read the features.

        Raises:
            DatasetError: there are none yet; the text says how to make them.
        """
        if not self._exists():
            raise DatasetError(
                f"There are no features at {self._filepath} yet: kedro run --pipeline=extract makes them."
            )
        return read_features(self._filepath)

    def save(self, data: Features) -> None:
        """Write the features."""
        write_features(self._filepath, data)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
