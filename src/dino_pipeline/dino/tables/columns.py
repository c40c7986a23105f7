"""Find which column of a list holds path, label, split and group, by the names that tools give them."""

import difflib
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from dino_pipeline.dino.tables.reading import Cell, Cells, plain, read_cells

Role = Literal["path", "label", "split", "group"]
ROLES: tuple[Role, ...] = get_args(Role)

# Names of columns as `plain` spells them. The second names count only where a list has none of the first.
_FIRST: Mapping[Role, str] = {
    "path": "path paths file files filename filenames filepath filepaths fname image images imagepath imagefile "
    "imagefilename imagefilepath imagename img imgpath imgfile imgname photo picture relativepath relpath "
    "absolutepath abspath fullpath uri url imageuri imageurl fileuri fileurl",
    "label": "label labels class classes category categories target targets labelname classname categoryname "
    "targetname classlabel labeltext labelstr",
    "split": "split splits subset subsets set sets partition partitions datasplit splitname",
    "group": "group groups groupid groupname",
}
_SECOND: Mapping[Role, str] = {
    "path": "",
    "label": "y labelid classid categoryid targetid labelidx classidx categoryidx labelindex classindex "
    "categoryindex groundtruth gt truelabel annotation annotations tag tags species breed diagnosis dx choice",
    "split": "fold folds foldid kfold istrain istraining isval isvalid isvalidation istest phase usage",
    "group": "patient patients patientid patientname subject subjectid subjectname participant participantid person "
    "personid individual individualid case caseid slide slideid video videoid scene sceneid session sessionid "
    "sequence sequenceid clip clipid",
}
_WORDS = {role: (_FIRST[role].split(), _SECOND[role].split()) for role in ROLES}
_HEADER_WORDS = {word for both in _WORDS.values() for words in both for word in words}
_INDEX = re.compile(r"(unnamed\d*|index|level\d+|indexlevel\d+)?")  # of pandas, as `plain` spells it
_IMAGE = re.compile(
    r"\.(jpe?g|jpe|jfif|png|gif|bmp|tiff?|webp|avif|jp2|j2k|p[pgn]m|heic|heif)$", re.IGNORECASE
)
_MISSING = {"nan", "NaN", "NAN", "<NA>", "NULL", "null", r"\N", "#N/A"}
_PERHAPS_MISSING = {"None", "NA", "N/A", "n/a"}  # may be classes
_WHOLE = re.compile(r"-?\d+(\.0)?")
_SPLIT = re.compile("train|training|val|valid|validation|test|testing", re.IGNORECASE)  # without a header
_OFTEN_MISTYPED: Mapping[Role, Sequence[str]] = {
    "path": (),
    "label": ("label", "class", "category", "target"),
    "split": ("split", "subset", "partition"),
    "group": ("group",),
}
_SIMILAR = 0.8
_SAMPLE = 20  # cells

logger = logging.getLogger(__name__)


class ListTable(NamedTuple):
    """The columns of a list that have a meaning.

    Attributes:
        file: the list, for messages.
        unit: `line` or `row`.
        lines: of each record.
        columns: the cells by role, only of roles that the list has. None: no value.
    """

    file: Path
    unit: str
    lines: Sequence[int]
    columns: dict[Role, list[Cell]]

    def place(self, record: int) -> str:
        """The list and the line of a record, for a message."""
        return f"{self.file}, {self.unit} {self.lines[record]}"


def read_table(
    file: Path,
    roles: Sequence[Role],
    given: Mapping[Role, str | None] | None = None,
    *,
    parameter: str | None = None,
) -> ListTable:
    """Read the columns of a list that have one of these roles. A guess is logged, a doubt is an error.

    Args:
        roles: `path` is among them, and every list has it.
        given: the column's name for a role, or None for no column. Other roles are found by their columns' names.
        parameter: the parameter that overrules a guess, as in `ingest.columns`; None: renaming the column does.

    Raises:
        ValueError: the file is no table, has no column of paths, or two columns may have the same role.
    """
    cells = read_cells(file, _HEADER_WORDS)
    finder = _Finder(file, cells, dict(given or {}), parameter)
    found = finder.by_name(roles) if finder.has_header() else finder.by_content(roles)
    columns = {role: finder.cells.column(position) for role, position in found.items()}
    table = ListTable(file, cells.unit, finder.cells.lines, columns)
    for role in columns:
        _clean(table, role)
    return table


class _Finder:
    """Finds columns, and says what it guessed."""

    def __init__(
        self, file: Path, cells: Cells, given: dict[Role, str | None], parameter: str | None
    ) -> None:
        self.file, self.cells, self.given, self.parameter = file, cells, given, parameter

    def has_header(self) -> bool:
        """Whether the names are names. Else the first record is an image, and becomes one."""
        known = {plain(name) for name in self.cells.names} & _HEADER_WORDS
        named = set(filter(None, self.given.values())) & set(self.cells.names)
        if self.cells.is_named or known or named or not any(map(_IMAGE.search, self.cells.names)):
            return True
        self.cells = self.cells.without_header()
        return False

    def by_name(self, roles: Sequence[Role]) -> dict[Role, int]:
        """The position of each role's column, by the columns' names."""
        found: dict[Role, int] = {}
        for role in roles:
            if role in self.given:
                position = self._given(role)
            elif role == "path":
                position = self._path()
            else:
                position = self._only(role, self._candidates(role))
            if position is not None:
                found[role] = position
        others = [position for position in range(len(self.cells.names)) if position not in found.values()]
        for role in roles:
            if role not in found and role not in self.given:
                self._refuse_typing_mistake(role, others)
        guessed = [
            role
            for role, position in found.items()
            if self._plain(position) != role and role not in self.given
        ]
        if guessed:
            logger.warning(
                "%s: %s. To change that: %s",
                self.file,
                self._described(found, guessed),
                self._remedy(guessed[-1]),
            )
        ignored = [repr(self.cells.names[position]) for position in others if not self._is_index(position)]
        if ignored:
            is_label_missing = "label" in roles and "label" not in found and "label" not in self.given
            logger.log(
                logging.WARNING if is_label_missing else logging.INFO,
                "%s: columns that are not read: %s%s",
                self.file,
                ", ".join(ignored[:20]),
                f". If one is the label, {self._remedy('label')}" if is_label_missing else "",
            )
        return found

    def by_content(self, roles: Sequence[Role]) -> dict[Role, int]:
        """The position of each role's column in a list without a header, by its cells."""
        columns = [self.cells.column(position) for position in range(len(self.cells.names))]
        counted = [[str(start + place) for place in range(len(columns[0]))] for start in (0, 1)]
        left = [at for at, cells in enumerate(columns) if any(cells) and (at > 0 or cells not in counted)]
        found: dict[Role, int] = {}
        tests: tuple[tuple[Role, Callable[[str], object]], ...] = (
            ("path", _IMAGE.search),
            ("split", _SPLIT.fullmatch),
        )
        for role, test in tests:
            fitting = [at for at in left if all(test(cell or "") for cell in columns[at][:_SAMPLE])]
            if role in roles and len(fitting) == 1:
                found[role] = fitting[0]
                left.remove(fitting[0])
        if "path" not in found or len(left) > 1:
            raise ValueError(
                f"{self.file} has no header, and its columns cannot be guessed: write a first line such as "
                f"{','.join(roles)}"
            )
        if left and "label" in roles:
            found["label"] = left[0]
        logger.warning(
            "%s has no header: %s. To change that, write a first line such as %s",
            self.file,
            self._described(found, list(found)),
            ",".join(roles),
        )
        return found

    def _given(self, role: Role) -> int | None:
        name = self.given[role]
        if name is None:
            return None
        exact = [position for position, other in enumerate(self.cells.names) if other.strip() == name.strip()]
        alike = exact or [at for at in range(len(self.cells.names)) if self._plain(at) == plain(name)]
        if len(alike) != 1:
            raise ValueError(f"{self.parameter}.{role} is {name!r}, but {self.file} has {self._all_names()}")
        return alike[0]

    def _candidates(self, role: Role) -> list[int]:
        taken = {name for name in self.given.values() if name}
        for words in _WORDS[role]:
            hits = [
                position
                for position, name in enumerate(self.cells.names)
                if self._plain(position) in words and name not in taken
            ]
            if hits:
                return hits
        return []

    def _only(self, role: Role, candidates: list[int]) -> int | None:
        """The candidate, if there is one or all have the same cells.

        Raises:
            ValueError: they differ.
        """
        if not candidates:
            return None
        first = candidates[0]
        if any(self.cells.column(position) != self.cells.column(first) for position in candidates[1:]):
            names = " and ".join(repr(self.cells.names[position]) for position in candidates)
            raise ValueError(f"{self.file}: the columns {names} may both be the {role}: {self._remedy(role)}")
        return first

    def _path(self) -> int:
        candidates = self._candidates("path")
        if len(candidates) != 1:
            images = [at for at in candidates or range(len(self.cells.names)) if self._holds_images(at)]
            there = [at for at in images if self._exists(at)]
            candidates = there if len(there) == 1 else images or candidates
        position = self._only("path", candidates)
        if position is None:
            raise ValueError(
                f"{self.file} has no column of paths, only {self._all_names()}: {self._remedy('path')}"
            )
        return position

    def _holds_images(self, position: int) -> bool:
        sample = [cell for cell in self.cells.column(position)[:_SAMPLE] if cell]
        return bool(sample) and all(map(_IMAGE.search, sample))

    def _exists(self, position: int) -> bool:
        sample = [cell for cell in self.cells.column(position)[:_SAMPLE] if cell]
        return all((self.file.parent / cell).is_file() for cell in sample)

    def _refuse_typing_mistake(self, role: Role, others: Sequence[int]) -> None:
        for position in others:
            name = self._plain(position)
            likely = [word for word in _OFTEN_MISTYPED[role] if name[:1] == word[:1]]
            if difflib.get_close_matches(name, likely, n=1, cutoff=_SIMILAR):
                raise ValueError(
                    f"{self.file}: is the column {self.cells.names[position]!r} the {role}? {self._remedy(role)}"
                )

    def _described(self, found: Mapping[Role, int], roles: Sequence[Role]) -> str:
        return ", ".join(f"{role} is the column {self.cells.names[found[role]]!r}" for role in roles)

    def _remedy(self, role: Role) -> str:
        if self.parameter is None:
            return f"call the right column {role!r} in the list, and a wrong one otherwise"
        value = "null or a column's name" if role != "path" else "a column's name"
        return f"set {self.parameter}.{role} to {value}"

    def _all_names(self) -> str:
        shown = [repr(name if len(name) <= 40 else f"{name[:40]}...") for name in self.cells.names[:20]]
        return f"the columns {', '.join(shown)}"

    def _plain(self, position: int) -> str:
        return plain(self.cells.names[position])

    def _is_index(self, position: int) -> bool:
        return _INDEX.fullmatch(self._plain(position)) is not None


def _clean(table: ListTable, role: Role) -> None:
    """Cells without what software writes in place of nothing, and whole numbers without the `.0` of pandas."""
    cells = table.columns[role]
    for record, cell in enumerate(cells):
        if cell is None and role == "path":
            raise ValueError(f"{table.place(record)} has no path: write one, or remove the {table.unit}")
        if cell is not None and ("\n" in cell or "\0" in cell or not _is_text(cell)):
            raise ValueError(
                f"{table.place(record)}: the {role} {cell[:40]!r} is not one line of text: check quotes"
            )
    if role == "path":
        return
    for cell, count in Counter(cells).items():
        if cell in _MISSING | _PERHAPS_MISSING:
            meaning = "no value" if cell in _MISSING else "a name"
            logger.warning(
                "%s: the %s %r of %d %ss is read as %s. Leave the cell empty, or write another name, to change that",
                table.file,
                role,
                cell,
                count,
                table.unit,
                meaning,
            )
    cells[:] = [None if cell in _MISSING else cell for cell in cells]
    numbers = {cell for cell in cells if cell is not None}
    if any(cell.endswith(".0") for cell in numbers) and all(map(_WHOLE.fullmatch, numbers)):
        logger.warning("%s: the %s is read as whole numbers, such as 1 for 1.0", table.file, role)
        cells[:] = [cell and cell.removesuffix(".0") for cell in cells]


def _is_text(cell: Cell) -> bool:
    try:
        (cell or "").encode()
    except UnicodeEncodeError:
        return False
    return True
