"""`dino-pipeline dvc-stages`: write dvc.yaml and evaluations/dvc.yaml from the pipelines."""

import argparse
from pathlib import Path
from typing import Any

from dino_pipeline.cli.arguments import add_project, project_of


def add_command(commands: Any) -> None:
    """Add `dvc-stages` to the command line's subparsers."""
    parser = commands.add_parser(
        "dvc-stages",
        help="write dvc.yaml and evaluations/dvc.yaml again",
        description="Generates DVC's stages from the pipelines' inputs and outputs, the catalog, the parameters and "
        "the imports. In a project that uses the installed package, the stages watch no code.",
    )
    add_project(parser)
    parser.set_defaults(make=_write)


def _write(options: argparse.Namespace) -> str:
    project, lines = project_of(options), []
    for name, text in stage_files(project).items():
        file = project / name
        fresh = not file.exists() or file.read_text(encoding="utf-8") != text
        if fresh:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        lines.append(f"{name}: {'written' if fresh else 'as it was'}.\n")
    return "".join(lines)


def stage_files(project: Path) -> dict[str, str]:
    """The texts of both files of a project, by file name.

    Raises:
        ValueError: the folder is no project.
    """
    from dino_pipeline.evaluations.registry import EVALUATIONS
    from dino_pipeline.pipeline_registry import STAGES, stage_pipelines
    from dino_pipeline.project.dvc_stages import project_catalog, write_stages

    if not (project / "conf" / "base").is_dir():
        raise ValueError(f"{project.resolve()} is not a project of dino_pipeline: it has no conf/base.")
    pipelines = stage_pipelines()
    code = project / "src" / "dino_pipeline"
    return write_stages(
        {name: pipelines[name] for name in STAGES},
        {name: pipelines[name] for name in EVALUATIONS},
        project_catalog(project / "conf"),
        code=code if code.is_dir() else None,
    )
