"""The method of one's own that docs/methods.md shows."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"


def shown(language: str) -> str:
    """The page's one block of a language: `python` is my_loss.py, `yaml` is conf/my_method/parameters.yml."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    return str(block)


def write(project: Path) -> None:
    """Put the page's loss and recipe into a project."""
    (project / "my_loss.py").write_text(shown("python"))
    recipe = project / "conf" / "my_method"
    recipe.mkdir(parents=True)
    (recipe / "parameters.yml").write_text(shown("yaml"))
