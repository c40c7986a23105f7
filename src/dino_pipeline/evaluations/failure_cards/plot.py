"""Plot the most wrong images, each beside the train images that misled the classifier."""

from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.evaluations.failure_cards.measure import Card
from dino_pipeline.plotting.grids import image_grid, rasterised, tile


def cards_picture(cards: list[Card], images: Manifest, *, image_size: int) -> Image.Image:
    """A row per image: its own and its predicted class, then its nearest train images, right if they share its class.

    Args:
        images: the whole manifest.
        image_size: longer side, in pixels.
    """
    return image_grid(
        [
            [
                tile(images, card.row_id, size=image_size, caption=f"{card.label} as {card.predicted}"),
                *(
                    tile(
                        images,
                        neighbor.row_id,
                        size=image_size,
                        caption=neighbor.label,
                        is_right=neighbor.label == card.label,
                    )
                    for neighbor in card.neighbors
                ),
            ]
            for card in cards
        ]
    )


def words_picture(text: str) -> Image.Image:
    """A picture of a text: the reason why there are no cards."""
    figure = Figure(figsize=(6, 1.5), dpi=100, layout="tight")
    axes = figure.subplots()
    axes.text(0.5, 0.5, text, ha="center", fontsize=8, wrap=True)
    axes.set_axis_off()
    return rasterised(figure)
