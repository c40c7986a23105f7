"""Recognise names of splits: of folders, of sources, and in a list's column."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

# Names that the documentation promises, in any case. Every other one is a guess.
PLAIN = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_WORDS = PLAIN | {
    "trn": "train",
    "dev": "val",
    "devel": "val",
    "development": "val",
    "tests": "test",
    "tst": "test",
}
# Words beside a split's that say nothing: training_set, train_images, test-data, val2017.
_NEUTRAL = {
    *("set", "sets", "data", "dataset", "split", "splits", "subset", "part", "folder", "dir", "fold"),
    *(
        "image",
        "images",
        "img",
        "imgs",
        "pics",
        "picture",
        "pictures",
        "photo",
        "photos",
        "files",
        "labelled",
    ),
    *("labeled", "jpg", "jpeg", "png"),
}
# Names that separate images, but not into train, val and test.
_UNCLEAR = re.compile(
    r"(fold|kfold|cv|split)s?\d+|\d+fold|(train|val|test)?(eval|evaluation|holdout|heldout|unseen)(set|data|images)?"
    r"|(train|training)(and|plus)?(val|valid|validation|test|dev)(set|data|images|\d+)?"
)
_GLUED = re.compile(
    f"({'|'.join(sorted(_WORDS, key=len, reverse=True))})({'|'.join(sorted(_NEUTRAL, key=len, reverse=True))})"
)

Given = Mapping[str, str | None]  # `ingest.splits`: name, split; None: not a split's name


class SplitNames(NamedTuple):
    """What names that stand beside one another mean.

    Attributes:
        splits: the split by name.
        guessed: the names of `splits` that neither the documentation nor the user gives.
        unclear: names that separate images in another way, such as fold_1 or holdout.
        perhaps: names that contain a split's word beside words of their own, such as bullet_train or test_tube.
    """

    splits: dict[str, str]
    guessed: list[str]
    unclear: list[str]
    perhaps: list[str]

    @property
    def found(self) -> set[str]:
        """The splits that occur."""
        return set(self.splits.values())


def read_split_names(names: Collection[str], given: Given) -> SplitNames:
    """Recognise the names of splits among names that stand beside one another.

    A name is a split's if it is one of the documented names, in any case, or one with words that say nothing
    (training_set, val2017). Names that differ only in the split's word are splits too (seg_train, seg_test).
    """
    answers = {name.casefold(): split for name, split in given.items()}
    splits: dict[str, str] = {}
    guessed, unclear = [], []
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)  # by the other words
    for name in sorted(names):
        if name.casefold() in answers:
            split = answers[name.casefold()]
            if split is not None:
                splits[name] = split
        elif name.casefold() in PLAIN:
            splits[name] = PLAIN[name.casefold()]
        else:
            words = _words(name)
            own = [_WORDS[word] for word in words if word in _WORDS]
            others = tuple(word for word in words if word not in _WORDS)
            if _UNCLEAR.fullmatch("".join(words)) or len(set(own)) > 1:
                unclear.append(name)
            elif own and all(word in _NEUTRAL or word.isdigit() for word in others):
                splits[name] = own[0]
                guessed.append(name)
            elif own:
                alike[others][name] = own[0]
    perhaps: list[str] = []
    for together in alike.values():
        if len(set(together.values())) > 1:
            splits |= together
            guessed += together
        else:
            perhaps += together
    return SplitNames(splits, sorted(guessed), unclear, sorted(perhaps))


def described(names: SplitNames, these: Iterable[str]) -> str:
    """The meaning of some of the names, for a message."""
    return ", ".join(f"{name} is {names.splits[name]}" for name in these)


def how_to_change(names: SplitNames) -> str:
    """What to do if the names are read wrongly."""
    name = (names.guessed or sorted(names.splits))[0]
    return f"To change that, set ingest.splits.{name} to train, val, test, or null for no split"


def refuse_doubt(names: SplitNames, beside: Collection[str]) -> None:
    """Refuse names of which it is not clear whether they are splits.

    Raises:
        ValueError: there is an unclear name, or every name may be a split's.
    """
    if names.unclear or (names.perhaps and not set(beside) - set(names.perhaps)):
        raise doubt(names.unclear or names.perhaps, beside)


def doubt(unclear: Sequence[str], beside: Collection[str]) -> ValueError:
    """The error that asks what these names beside others mean."""
    others = [name for name in sorted(beside) if name not in unclear]
    shown = f" (beside {', '.join(others[:5])})" if others else ""
    likewise = f", and likewise {', '.join(unclear[1:6])}" if unclear[1:] else ""
    return ValueError(
        f"ingest.source: is {unclear[0]!r} a split{shown}? Set ingest.splits.{unclear[0]} to train, val or test, or to "
        f"null if it is a class or no split{likewise}."
    )


def _words(name: str) -> list[str]:
    """The words of trainingSet, seg_train, TestImages, val2017 or trainset in small letters."""
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+", name)
    words: list[str] = []
    for word in map(str.lower, found):
        glued = _GLUED.fullmatch(word)
        words += glued.groups() if glued else [word]
    return words
