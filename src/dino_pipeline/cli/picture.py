"""`dino-pipeline picture [FILE]`: draw the pipelines, a column for each stage with its inputs, work and outputs."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline

_COLUMN, _GAP, _LINE, _MARGIN = 200, 34, 19, 14
_LINES = 'fill="none" stroke="#6e9bd1" stroke-width="2"'
_STYLE = """text{font:13px sans-serif;fill:#1f2328}
.stage{font-weight:bold;font-size:15px}
.kind{fill:#59636e;font-size:11px}"""


def add_command(commands: Any) -> None:
    """Add `picture` to the command line's subparsers."""
    parser = commands.add_parser("picture", help="draw the registered pipelines as SVG")
    parser.add_argument("output", type=Path, nargs="?", help="the file to write (standard output)")
    parser.set_defaults(make=_picture)


def _picture(options: argparse.Namespace) -> str:
    from dino_pipeline.pipeline_registry import STAGES, stage_pipelines

    pipelines = stage_pipelines()
    text = draw_stages({name: pipelines[name] for name in STAGES})
    if options.output is None:
        return text
    options.output.write_text(text, encoding="utf-8")
    return ""


def draw_stages(stages: "Mapping[str, Pipeline]") -> str:
    """Draw the stages from left to right.

    Returns:
        an SVG document.
    """
    from xml.sax.saxutils import escape

    columns = [_rows(name, stage) for name, stage in stages.items()]
    height = max(len(rows) for rows in columns) * _LINE + 2 * _MARGIN
    width = len(columns) * (_COLUMN + _GAP) - _GAP + 2 * _MARGIN
    shapes = [f'<rect width="{width}" height="{height + 2 * _MARGIN}" rx="8" fill="#ffffff"/>']
    for index, rows in enumerate(columns):
        left = _MARGIN + index * (_COLUMN + _GAP)
        shapes.append(f'<rect x="{left}" y="{_MARGIN}" width="{_COLUMN}" height="{height}" rx="6" {_LINES}/>')
        if index:
            tip, middle = left - 4, _MARGIN + height / 2
            shapes.append(f'<path d="M{left - _GAP + 2} {middle:g}H{tip}m-7 -5l7 5l-7 5" {_LINES}/>')
        for line, (kind, text) in enumerate(rows):
            height_of_line = _MARGIN * 2 + (line + 0.7) * _LINE
            shapes.append(
                f'<text class="{kind}" x="{left + 12}" y="{height_of_line:g}">{escape(text)}</text>'
            )
    body = "\n".join(shapes)
    size = f'width="{width}" height="{height + 2 * _MARGIN}" viewBox="0 0 {width} {height + 2 * _MARGIN}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{_STYLE}</style>\n{body}\n</svg>\n'


def _rows(name: str, stage: "Pipeline") -> list[tuple[str, str]]:
    """The lines of a column, each with its style."""
    taken = sorted(item for item in stage.inputs() if not item.startswith("params:"))
    groups = {
        "takes": taken,
        "does": [node.short_name for node in stage.nodes],
        "makes": sorted(stage.outputs()),
    }
    rows = [("stage", name)]
    for kind, items in groups.items():
        if items:
            rows += [("kind", kind), *(("item", item.replace("_", " ")) for item in items)]
    return rows
