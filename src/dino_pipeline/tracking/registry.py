"""Registered versions: what they are, which one an alias names, and the files that they serve."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dino_pipeline.tracking.store import asked, global_address, silence

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Version(NamedTuple):
    """A version of a registered model."""

    name: str
    number: int
    run_id: str
    tags: dict[str, str]
    aliases: list[str]

    def __str__(self) -> str:
        return f"{self.name}/{self.number}"


def registered_version(client: "MlflowClient", name: str, number: int) -> Version:
    """One version.

    Raises:
        ValueError: there is none of this number.
    """
    with asked():
        return _version(client.get_model_version(name, str(number)))


def aliased_version(client: "MlflowClient", name: str, alias: str) -> Version | None:
    """The version that bears an alias, if one does.

    Raises:
        ValueError: there is no model of this name.
    """
    with asked():
        number = client.get_registered_model(name).aliases.get(alias)
    return None if number is None else registered_version(client, name, int(number))


def versions(client: "MlflowClient") -> list[Version]:
    """Every version of every registered model, with its tags and aliases."""
    with asked():
        aliases: dict[tuple[str, int], list[str]] = {}  # a search for versions leaves them out
        for model in _all_pages(client.search_registered_models):
            for alias, number in model.aliases.items():
                aliases.setdefault((model.name, int(number)), []).append(alias)
        return [
            _version(one)._replace(aliases=aliases.get((one.name, int(one.version)), []))
            for one in _all_pages(client.search_model_versions)
        ]


def move_alias(client: "MlflowClient", version: Version, alias: str) -> None:
    """Let the alias name this version."""
    with asked():
        client.set_registered_model_alias(version.name, alias, str(version.number))


def download(client: "MlflowClient", version: Version, folder: Path) -> Path:
    """Bring a registered model into `folder`; returns where its own files lie, backbone.pt2 and preprocessing.json.

    Raises:
        ValueError: they are no longer in the store.
    """
    from mlflow.artifacts import download_artifacts

    # What a version's source leads to is looked for at the process's address, whatever address is given.
    with asked(), silence(), global_address(client.tracking_uri):
        model = download_artifacts(f"models:/{version}", dst_path=str(folder))
    return Path(model) / "artifacts"


def _version(found: Any) -> Version:
    return Version(found.name, int(found.version), found.run_id, dict(found.tags), list(found.aliases))


def _all_pages(search: Callable[..., Any]) -> Iterator[Any]:
    page = search()
    yield from page
    while page.token:
        page = search(page_token=page.token)
        yield from page
