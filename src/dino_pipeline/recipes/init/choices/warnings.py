"""What to expect of the data."""

from dino_pipeline.recipes.init import size_adaptive as rules
from dino_pipeline.recipes.init.measurement import Measurement


def warnings(data: Measurement, *, epochs: int) -> list[str]:
    """What to expect of this data; nothing where all is well."""
    said = []
    if data.num_images < 500:
        said.append(
            f"{data.num_images:,} images are too few to learn from scratch: expect features hardly better than colour "
            "histograms. A network pretrained elsewhere will serve better; take this run as a rehearsal."
        )
    elif data.num_images < 5000:
        said.append(
            f"{data.num_images:,} images are few: DINO wants several thousand. Expect features that beat an untrained "
            "network and colours, and stay far below one pretrained on ImageNet."
        )
    if epochs < min(30, rules.most_epochs(data.num_images)):
        said.append(
            f"the budget allows only {epochs} epochs: features will still be improving when it ends; --hours says more."
        )
    if data.unusable_share > 0.05:
        said.append(
            f"{data.unusable_share:.0%} of the files opened are no usable images: see quarantine.csv after ingest."
        )
    if not data.num_classes:
        said.append(
            "there are no labels, so nothing can be scored: judge by the report's pictures and neighbours."
        )
    return said
