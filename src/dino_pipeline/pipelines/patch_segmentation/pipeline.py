"""Wiring of the patch_segmentation pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.patch_segmentation.evaluation import find_images, measure


def create_pipeline() -> Pipeline:
    """Images with masks and a model to mIoU and a picture.

    The images are looked for in a node of its own, so that a missing folder stops a run before a training.
    """
    return Pipeline(
        [
            Node(
                find_images,
                inputs=["project_folder", "params:patch_segmentation"],
                outputs="patch_segmentation_images",
                name="find_patch_segmentation_images",
            ),
            Node(
                measure,
                inputs=[
                    "patch_segmentation_images",
                    "manifest",
                    "project_folder",
                    "model",
                    "params:patch_segmentation",
                    "params:extract",
                ],
                outputs=["patch_segmentation", "patch_segmentation_picture"],
                name="measure_patch_segmentation",
            ),
        ]
    )
