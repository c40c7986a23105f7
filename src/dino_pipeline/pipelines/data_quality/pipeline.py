"""Wiring of the data_quality pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.data_quality.evaluation import draw_contact_sheet, measure_quality


def create_pipeline() -> Pipeline:
    """Features and images to figures, a cleaning list and a picture of it."""
    return Pipeline(
        [
            Node(
                measure_quality,
                inputs=[
                    "teacher_features",
                    "student_features",
                    "random_features",
                    "manifest",
                    "project_folder",
                    "model",
                    "params:extract",
                    "params:data_quality",
                ],
                outputs=["data_quality", "cleaning_list"],
                name="measure_quality",
            ),
            Node(
                draw_contact_sheet,
                inputs=["cleaning_list", "manifest", "project_folder", "model", "params:data_quality"],
                outputs="cleaning_picture",
                name="draw_contact_sheet",
            ),
        ]
    )
