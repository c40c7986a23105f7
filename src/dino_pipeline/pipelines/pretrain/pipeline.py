"""One node: manifest in, finished model out."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.pretrain.nodes import pretrain


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            Node(
                func=pretrain,
                inputs=[
                    "manifest",
                    "ingest_summary",
                    "project_folder",
                    "training_folder",
                    "params:recipe",
                    "params:model",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                ],
                outputs="model",
                name="pretrain",
            )
        ]
    )
