"""An evaluation as Kedro runs it, without a catalog: its nodes in order, each on the values that it names."""

from typing import Any

from dino_pipeline.evaluations.registry import EVALUATIONS
from dino_pipeline.pipelines.evaluations import create_pipeline


def run_evaluation(name: str, config: object, **values: Any) -> dict[str, Any]:
    """What its nodes return, by the catalog's names.

    Args:
        values: by the catalog's names too; `extract` stands for `params:extract`.
    """
    known = {f"params:{name}": config, **values}
    known["params:extract"] = values.get("extract")
    for node in create_pipeline(EVALUATIONS[name]).nodes:
        known |= node.run({entry: known[entry] for entry in node.inputs})
    return known
