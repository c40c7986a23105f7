"""Read the cells of a list as spreadsheets, labelling tools, pandas and databases write it, with line numbers."""

import codecs
import csv
import io
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_SAMPLE = 30  # records that decide on the separator
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")  # .xlsx and .zip, .xls, .gz
_DECLARED = re.compile(r"sep=(.)\r?\n")  # Excel's own first line

logger = logging.getLogger(__name__)

Cell = str | None  # stripped; None where there is nothing


class Cells(NamedTuple):
    """The cells of a table.

    Attributes:
        names: the first record of a text, which may be a header or not; the columns' names of another file.
        is_named: whether the format itself names its columns, so that `names` is no record.
        first: the line of `names`.
        unit: what `lines` counts: `line` or `row`.
        lines: of each record that is not blank, without `names`.
        column: reads the cells of the column at a position.
    """

    names: list[str]
    is_named: bool
    first: int
    unit: str
    lines: Sequence[int]
    column: Callable[[int], list[Cell]]

    def without_header(self) -> "Cells":
        """The same table with `names` as its first record; its columns are called `column 1` and so on."""
        names = [f"column {number}" for number in range(1, len(self.names) + 1)]
        return self._replace(
            names=names,
            lines=[self.first, *self.lines],
            column=lambda position: [self.names[position] or None, *self.column(position)],
        )


def read_text(file: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or UTF-32; other bytes are read as Windows-1252, with a warning.

    Raises:
        ValueError: the file is no text.
    """
    data = file.read_bytes()
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if data.startswith(_BINARY):
        raise ValueError(f"{file} is a spreadsheet's own file or an archive, no text: save the table as CSV")
    if (
        data[:2000].count(b"\0") > len(data[:2000]) // 4
    ):  # UTF-16 without its mark: every other byte of English is 0
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le", errors="replace")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        logger.warning(
            "%s, line %d is not UTF-8: the file is read as Windows-1252 (Latin-1). If names come out wrong, save it "
            "as UTF-8",
            file,
            line,
        )
        # Latin-1 has every byte, and is Windows-1252 but for 0x80 to 0x9f
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            return data.decode("latin-1")


def read_cells(file: Path, header_words: Collection[str]) -> Cells:
    """Read a .csv, .tsv, .txt, .jsonl or .parquet.

    Args:
        header_words: words that a header has, as `plain` spells them. They decide between separators.

    Raises:
        ValueError: the file is no readable table; names the line where there is one.
    """
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        return _parquet(file)
    text = read_text(file)
    if not text.strip():
        raise ValueError(f"{file} cannot be read as a table: it is empty")
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(file, text)
    return _separated(file, text, header_words)


def plain(name: str) -> str:
    """A column's name without case, blanks, underscores and punctuation: `Image Path` is imagepath."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _separated(file: Path, text: str, header_words: Collection[str]) -> Cells:
    before = 0
    if declared := _DECLARED.match(text):
        text, before, separator = text[declared.end() :], 1, declared[1]
    else:
        separator = _separator(file, text, header_words)
    records = _records(file, text, separator, before)
    first, names = next(records)
    while len(names) > 1 and not names[-1]:  # of a trailing separator
        names = names[:-1]
    lines, rows = [], []
    for line, cells in records:
        if any(cells[len(names) :]):
            raise ValueError(
                f"{file}, line {line} has {len(cells)} values, but line {first} has {len(names)}: put quotes around "
                f"a value that contains {_SEPARATORS.get(separator, repr(separator))}"
            )
        lines.append(line)
        rows.append(cells[: len(names)])
    return Cells(
        names,
        False,
        first,
        "line",
        lines,
        lambda position: [cells[position] or None if position < len(cells) else None for cells in rows],
    )


def _separator(file: Path, text: str, header_words: Collection[str]) -> str:
    """The separator whose first line has most words of a header, then whose lines are most alike."""

    def fitness(separator: str) -> tuple[int, float, int]:
        records: list[list[str]] = []
        with suppress(ValueError):  # an open quote, which is reported once the separator is known
            records.extend(cells for _, cells in islice(_records(file, text, separator, 0), _SAMPLE))
        if not records:
            return (0, 0.0, 0)
        width = len(records[0])
        found = {plain(cell) for cell in records[0]} & set(header_words)
        alike = sum(len(cells) == width or not any(cells[width:]) for cells in records) / len(records)
        return (len(found), alike, width)

    preferred = ["\t"] if file.suffix.lower() == ".tsv" else []
    return max([*preferred, *_SEPARATORS], key=fitness)


def _records(file: Path, text: str, separator: str, before: int) -> Iterator[tuple[int, list[str]]]:
    """The line and the stripped cells of each record that is not blank, after so many lines before the text."""
    reader = csv.reader(
        io.StringIO(text, newline=None), delimiter=separator, skipinitialspace=separator != "\t", strict=True
    )
    line = before + 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield line, stripped
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{file}, line {line} cannot be read as a table: {error}. Check the quotes from this line on"
        ) from error


def _json_lines(file: Path, text: str) -> Cells:
    names: dict[str, None] = {}
    lines: list[int] = []
    objects: list[dict[str, Any]] = []
    for line, one in enumerate(text.split("\n"), 1):
        if not one.strip():
            continue
        try:
            value = json.loads(one)
        except json.JSONDecodeError as error:
            raise ValueError(f"{file}, line {line} is not JSON: {error.msg}") from error
        if not isinstance(value, dict):
            raise ValueError(f'{file}, line {line}: write an object, such as {{"path": "a.jpg"}}')
        names.update(dict.fromkeys(value))
        lines.append(line)
        objects.append(value)

    def column(position: int) -> list[Cell]:
        name = list(names)[position]
        for line, value in zip(lines, objects, strict=True):
            if isinstance(value.get(name), dict | list):
                raise ValueError(
                    f"{file}, line {line}: {name!r} is a list or an object: write one text or number"
                )
        return [_text(value.get(name)) for value in objects]

    return Cells(list(names), True, 0, "line", lines, column)


def _parquet(file: Path) -> Cells:
    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{file} cannot be read as a table: {first}") from error
    schema = opened.schema_arrow

    def column(position: int) -> list[Cell]:
        kind = schema.field(position).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise ValueError(
                f"{file}: the column {schema.names[position]!r} is {kind}: write one text or number a row"
            )
        (values,) = opened.read(columns=[schema.names[position]]).columns
        return [_text(value) for value in values.to_pylist()]

    return Cells(schema.names, True, 0, "row", range(1, opened.metadata.num_rows + 1), column)


def _text(value: Any) -> Cell:
    return None if value is None or value != value else str(value).strip() or None  # NaN differs from itself
