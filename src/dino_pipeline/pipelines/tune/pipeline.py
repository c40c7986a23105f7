"""Wiring of the tune pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.tune.nodes import describe_study, search_parameters, write_tuned_recipe


def create_pipeline() -> Pipeline:
    """A manifest to a study, and this to its table, its pictures and a recipe."""
    return Pipeline(
        [
            Node(
                search_parameters,
                inputs=[
                    "manifest",
                    "project_folder",
                    "training_folder",
                    "tuning_folder",
                    "params:recipe",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:extract",
                    "params:tune",
                ],
                outputs="study_name",
                name="search_parameters",
            ),
            Node(
                describe_study,
                inputs=["study_name", "tuning_folder", "params:tune"],
                outputs=["trials", "tuning_summary", "tuning_history_picture", "tuning_importance_picture"],
                name="describe_study",
            ),
            Node(
                write_tuned_recipe,
                inputs=[
                    "tuning_summary",
                    "project_folder",
                    "params:recipe",
                    "params:pretrain",
                    "params:tune",
                ],
                outputs=None,
                name="write_tuned_recipe",
            ),
        ]
    )
