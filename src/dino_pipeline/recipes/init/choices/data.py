"""Where the images are, and what of them is held out."""

from dino_pipeline.recipes.init.hardware import Hardware
from dino_pipeline.recipes.init.measurement import Measurement
from dino_pipeline.recipes.writing import Choice


def data_choices(source: str, data: Measurement, hardware: Hardware) -> list[Choice]:
    """Where the images are, and what is held out."""
    choices = [Choice("ingest.source", source, f"{data.num_files:,} files; {_classes(data)}.")]
    if data.shorter_side < 32:
        choices.append(
            Choice("ingest.minimum_size", max(4, data.shorter_side // 2), "Your images are small themselves.")
        )
    if "val" not in data.splits:
        share = 0.1 if data.num_images >= 5000 else 0.2
        choices.append(
            Choice(
                "ingest.validation_fraction",
                share,
                "There is no val folder; whatever is chosen is chosen on it.",
            )
        )
    if "test" not in data.splits:
        share = 0.1 if data.num_classes else 0.0
        why = (
            "There is no test folder; it is only ever measured on."
            if share
            else "Nothing to measure without labels."
        )
        choices.append(Choice("ingest.test_fraction", share, why))
    choices.append(Choice("ingest.num_workers", hardware.num_cores, "The cores found."))
    return choices


def _classes(data: Measurement) -> str:
    labels = f"{data.num_classes} classes" if data.num_classes else "no labels"
    return f"{labels}; {'splits ' + ', '.join(data.splits) if len(data.splits) > 1 else 'no split folders'}"
