"""Wiring of the attention_segmentation pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.attention_segmentation.evaluation import find_images, measure


def create_pipeline() -> Pipeline:
    """Images with masks and a model to Jaccard indices and a picture.

    The images are looked for in a node of its own, so that a missing folder stops a run before a training.
    """
    return Pipeline(
        [
            Node(
                find_images,
                inputs=["project_folder", "params:attention_segmentation"],
                outputs="attention_segmentation_images",
                name="find_attention_segmentation_images",
            ),
            Node(
                measure,
                inputs=[
                    "attention_segmentation_images",
                    "manifest",
                    "project_folder",
                    "model",
                    "params:attention_segmentation",
                    "params:extract",
                ],
                outputs=["attention_segmentation", "attention_segmentation_picture"],
                name="measure_attention_segmentation",
            ),
        ]
    )
