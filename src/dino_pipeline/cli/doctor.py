"""`dino-pipeline doctor`: whether this machine can train, as a table and as JSON."""

import argparse
from pathlib import Path
from typing import Any

from dino_pipeline.cli.arguments import say


def add_command(commands: Any) -> None:
    """Add `doctor` to the command line's subparsers."""
    parser = commands.add_parser(
        "doctor",
        help="check in at most three minutes whether this machine can train",
        description="Checks versions, free space, and on all visible GPUs, or on the CPU, what a training needs: "
        "collectives, bfloat16, torch.compile, steps that do not wait for the device, a resume after a kill, the "
        "loader. Exit status 1 if a check fails.",
    )
    parser.add_argument("--only", nargs="+", metavar="CHECK", help="run these checks alone")
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="where the project lies, whose disk is looked at (here)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write a JSON file to attach to an issue")
    parser.set_defaults(make=_doctor)


def _doctor(options: argparse.Namespace) -> str:
    import json

    from dino_pipeline.dino.doctor.examination import NAMES, examine
    from dino_pipeline.dino.doctor.machine_checks import facts
    from dino_pipeline.recipes.reading import recipe_parameters

    checks = options.only or NAMES
    unknown = sorted(set(checks) - set(NAMES))
    if unknown:
        raise ValueError(f"--only: there is no check {', '.join(unknown)}: take some of {', '.join(NAMES)}")
    results = []
    say(f"{'check':14}{'result':16}{'seconds':>8}  what was found, and what to do next")
    for result in examine(recipe_parameters("smoke"), folder=options.folder, checks=checks):
        results.append(result)
        say(f"{result.check:14}{result.status:16}{result.seconds:8.1f}  {result.found}")
        if result.next:
            say(f"{'':40}-> {result.next}")
    if options.output:
        report = {
            "what": "dino-pipeline doctor",
            **facts(),
            "checks": [result._asdict() for result in results],
        }
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if any(result.status == "failed" for result in results):
        raise SystemExit(1)
    return ""
