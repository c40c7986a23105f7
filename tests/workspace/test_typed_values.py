"""What is typed on a command line is what is read, or one line says how to type it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dino_pipeline.workspace.typed_values import settings, typed_parameters, typed_value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", {"a": 1}),
        ("a.b=1,a.c=x", {"a": {"b": 1, "c": "x"}}),
        ("a=1e-3,b=1e3,c=-2,d=0.5", {"a": 0.001, "b": 1000.0, "c": -2, "d": 0.5}),
        ("a=true,b=false,c=null,d=~,e=", {"a": True, "b": False, "c": None, "d": None, "e": None}),
        ("ingest.source=[/a,/b]", {"ingest": {"source": ["/a", "/b"]}}),
        ("ingest.source=[/a, /b c],n=2", {"ingest": {"source": ["/a", "/b c"]}, "n": 2}),
        ("ingest.source=['/a, b','/c #2'],n=2", {"ingest": {"source": ["/a, b", "/c #2"]}, "n": 2}),
        ("s={seg_train: train, x: null},n=2", {"s": {"seg_train": "train", "x": None}, "n": 2}),
        ("a=/tmp/set #2", {"a": "/tmp/set #2"}),
        ("a=/tmp/a,b/c,n=2", {"a": "/tmp/a,b/c", "n": 2}),
        ("a=/tmp/x=1/y", {"a": "/tmp/x=1/y"}),
        ("a=C: drive", {"a": "C: drive"}),
        ("a=torchvision:MNIST", {"a": "torchvision:MNIST"}),
        ("a=Bob's photos,n=2", {"a": "Bob's photos", "n": 2}),
        ("a='2024',b=\"null\"", {"a": "2024", "b": "null"}),
        ("a='/x, n=3',n=2", {"a": "/x, n=3", "n": 2}),
        (
            "a=~/photos,b=*.jpg,c=@x,d=%x,e=&x y,f=!x y",
            {
                "a": "~/photos",
                "b": "*.jpg",
                "c": "@x",
                "d": "%x",
                "e": "&x y",
                "f": "!x y",
            },
        ),
        ("a=- x,b=? y,c=| z,d=/ü/ß", {"a": "- x", "b": "? y", "c": "| z", "d": "/ü/ß"}),
        (" a = 1 , b = x y ,", {"a": 1, "b": "x y"}),
        ("a=/set [2],n=2", {"a": "/set [2]", "n": 2}),
        (
            "compare.overlays.two crops.pretrain={x: 1}",
            {"compare": {"overlays": {"two crops": {"pretrain": {"x": 1}}}}},
        ),
    ],
)
def test_a_typed_value_is_what_it_looks_like(text: str, expected: dict[str, Any]) -> None:
    assert typed_parameters(text) == expected
    assert repr(typed_parameters(text)) == repr(expected), "with its type"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ingest.source", "needs KEY=VALUE"),
        ("=3", "needs KEY=VALUE"),
        ("a=[/x,/y", r"a: \[/x,/y cannot be read .*close each bracket"),
        ("a=['/x,/y]", r"a: .* cannot be read"),
        ("a=[/set #2,/b]", r"a: \[/set #2,/b\] cannot be read .*put quotes around texts"),
        ("a='x", "a: 'x cannot be read"),
        ("a=1,a.b=2", "a.b cannot be set: a is already set to a single value"),
        ("a=/x/${y}", r"a: .* is not read, because \$\{ names a value of another file"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        typed_parameters(text)
    assert "\n" not in str(error.value)


def test_settings_are_typed_in_the_same_way() -> None:
    assert settings(["a.b=/set #2", "a.c=[1, 2]"]) == {"a": {"b": "/set #2", "c": [1, 2]}}
    with pytest.raises(ValueError, match=r"--set needs KEY=VALUE"):
        settings(["a"])


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@given(folder=WORDS)
def test_any_path_is_read_as_it_is_typed(folder: str) -> None:
    path = f"/photos/{folder.replace('${', '')}".strip()
    assert typed_value(path, "a") == path
    if "=" not in path:
        assert typed_parameters(f"a={path},n=2") == {"a": path.rstrip(), "n": 2}


@given(paths=st.lists(WORDS, min_size=1, max_size=4))
def test_quoted_texts_in_a_list_are_any_texts(paths: list[str]) -> None:
    kept = [path.replace("${", "") or "x" for path in paths]
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in kept)
    assert typed_parameters(f"a=[{quoted}],n=2") == {"a": kept, "n": 2}
