"""Rows of the histories behind a comparison: python benchmarks/history_rows.py --recipe NAME conf/comparisons/X.yml ...

Finds the trainings that `kedro run --env=NAME --pipeline=compare` made in this project, by fingerprint as it does, and
writes what their history.csv say at some steps, a line for each row of the comparison, seed and step.
"""

import argparse
import csv
import sys
from pathlib import Path

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import HISTORY, TIMING, read_rows
from dino_pipeline.dino.training.preparation import prepare
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.experiments.compare.rows import read_comparison, trainings
from dino_pipeline.recipes.reading import recipe_parameters

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write the lines, as CSV, to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparisons", nargs="+", help="files of comparisons, in the project")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--steps", type=int, nargs="+", default=[100, 300, 940, 1872])
    options = parser.parse_args()
    parameters = recipe_parameters(options.recipe)
    images = read_manifest(ROOT / "data" / "03_primary" / options.recipe / "manifest.parquet", ROOT)
    groups = (
        from_dict(PretrainConfig, parameters["pretrain"]),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        from_dict(LaunchConfig, parameters["launch"]),
    )
    lines = []
    for file in options.comparisons:
        config = read_comparison(from_dict(CompareConfig, parameters["compare"] | {"file": file}), ROOT)
        for training in trainings(config, *groups):
            spec = prepare(
                images,
                training.pretrain,
                training.monitoring,
                training.launch,
                recipe=options.recipe,
                project_folder=ROOT,
                training_folder=ROOT / "data" / "06_models" / ".in_progress",
            ).spec
            seconds = sum(float(row["seconds"]) for row in read_rows(Path(spec.folder) / TIMING))
            named = {"comparison": config.name, "row": training.row, "seed": training.pretrain.seed}
            lines += [
                named | {"seconds_of_the_training": round(seconds)} | row
                for row in read_rows(Path(spec.folder) / HISTORY)
                if int(row["step"]) in options.steps
            ]
    writer = csv.DictWriter(sys.stdout, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)


if __name__ == "__main__":
    main()
