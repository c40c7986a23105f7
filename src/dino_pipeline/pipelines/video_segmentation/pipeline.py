"""Wiring of the video_segmentation pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.video_segmentation.evaluation import find_videos, segment_videos


def create_pipeline() -> Pipeline:
    """Videos to masks, scores and a picture. They are looked for by a node that needs no model, hence first."""
    return Pipeline(
        [
            Node(
                find_videos,
                inputs=["project_folder", "params:video_segmentation"],
                outputs="videos",
                name="find_videos",
            ),
            Node(
                segment_videos,
                inputs=[
                    "videos",
                    "manifest",
                    "project_folder",
                    "model",
                    "video_masks_folder",
                    "params:extract",
                    "params:video_segmentation",
                ],
                outputs=["video_masks", "video_segmentation", "video_segmentation_picture"],
                name="segment_videos",
            ),
        ]
    )
