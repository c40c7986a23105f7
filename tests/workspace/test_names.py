"""A name that is accepted works everywhere; others are refused with the rule, before anything is written."""

import shlex
import string
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow import MlflowClient
from omegaconf import OmegaConf

from dino_pipeline.__main__ import main
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.names import check_alias, check_name, check_recipe_name, recipe_name_from

REFUSED = [
    *(
        "2024",
        "1e3",
        "on",
        "Null",
        "yes",
        "true",
        "n",
        "",
        " ",
        "my cats",
        "Bob's",
        'a"b',
        "../evil",
        "a/b",
        "a\\b",
    ),
    *(
        "-x",
        ".x",
        "..",
        "x.",
        "x-",
        "größe",
        "猫",
        "a:b",
        "a#b",
        "a=b",
        "a,b",
        "$x",
        "a{b}",
        "a\nb",
        "a\tb",
        "x" * 61,
    ),
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_breaks_the_rule_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"cannot be used: a name begins with a letter .* 60 characters"
    ) as error:
        check_recipe_name(name)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="cannot be used"):
        check_alias(name)


@pytest.mark.parametrize("name", ["cats", "Cats_2024", "my-cats", "v1.2", "a", "x" * 60, "on_time", "nullx"])
def test_usual_names_are_accepted(name: str) -> None:
    assert check_recipe_name(name) == name


@pytest.mark.parametrize("name", ["base", "local", "comparisons", "Base"])
def test_folders_with_a_meaning_are_no_recipes(name: str) -> None:
    with pytest.raises(ValueError, match="has a meaning of its own"):
        check_recipe_name(name)


@pytest.mark.parametrize("name", ["latest", "v3", "V12", "a.b"])
def test_aliases_that_mlflow_keeps_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="MLflow"):
        check_alias(name)


# Biased towards what breaks: words of YAML, numbers, paths, and letters of every alphabet.
NAMES = st.one_of(
    st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=64),
    st.text(max_size=12),
    st.sampled_from(["on", "off", "null", "1e3", "0x1f", "nan", ".inf", "a.b", "inf", "NaN", "e5", "y"]),
)


@given(name=NAMES)
@example("1_000")
@example("a")
def test_an_accepted_name_is_the_same_everywhere(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    assert yaml.safe_load(f"recipe: {name}\n") == {"recipe": name}
    assert OmegaConf.create(f"recipe: {name}\n").recipe == name
    assert OmegaConf.from_dotlist([f"tune.tuned_recipe={name}"]).tune.tuned_recipe == name
    assert shlex.quote(name) == name
    assert PurePosixPath("conf", name).parts == ("conf", name)
    assert PurePosixPath("conf", name).name not in (".", "..")


def test_mlflow_registers_accepted_names(client: MlflowClient) -> None:
    for name in ("cats", "Cats_2024", "my-cats", "v1.2", "a", "x" * 60):
        assert client.create_registered_model(f"dino-{name}").name == f"dino-{name}"


@given(text=st.one_of(st.text(max_size=80), st.sampled_from(["base", "on", "2024", "Größe", "猫", ""])))
def test_a_name_made_from_any_text_is_accepted(text: str) -> None:
    made = recipe_name_from(text)
    assert check_recipe_name(made) == made
    assert recipe_name_from(made) == made


@pytest.mark.parametrize("name", ["2024", "my cats", "Bob's", "../evil", "a/b", "-x", "base", ""])
def test_init_checks_the_name_before_it_writes(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    assert main(["init", str(tmp_path / "project"), f"--images={tmp_path / 'photos'}", f"--name={name}"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be used" in said
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize("name", ["../evil", "2024", "my cats"])
def test_a_recipe_s_folder_follows_the_rule(name: str, tmp_path: Path) -> None:
    for folder in ("base", name):
        (tmp_path / "conf" / folder).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"cannot be used: .*Rename the recipe's folder"):
        LayeredConfigLoader(
            tmp_path / "conf", name, base_env="base", default_run_env="local", merge_strategy=MERGE_STRATEGY
        )
