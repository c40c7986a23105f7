"""Plot queries with the teacher's results."""

from PIL import Image

from dino_pipeline.dino.evaluation.retrieval.config import RetrievalPictureConfig
from dino_pipeline.dino.evaluation.retrieval.search import Searched
from dino_pipeline.plotting.grids import image_grid, tile


def neighbors_picture(searched: Searched, criterion: str, config: RetrievalPictureConfig) -> Image.Image:
    """A row for each of some evenly spaced queries: the query, then its nearest neighbours, marked right or wrong."""
    nearest = searched.nearest(
        "teacher", criterion, num_queries=config.num_queries, num_neighbors=config.num_neighbors
    )
    query_labels, labels = searched.queries.labels, searched.gallery.labels
    return image_grid(
        [
            [
                tile(
                    searched.queries,
                    query,
                    size=config.image_size,
                    caption=f"query {query_labels[query] or ''}",
                ),
                *(
                    tile(
                        searched.gallery,
                        neighbor.position,
                        size=config.image_size,
                        caption=labels[neighbor.position] or "",
                        is_right=neighbor.is_right,
                    )
                    for neighbor in neighbors
                ),
            ]
            for query, neighbors in nearest.items()
        ]
    )
