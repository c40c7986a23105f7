"""Open what `ingest.source` names: embedded images, a folder or an archive."""

from pathlib import Path

from dino_pipeline.ingestion.archive import list_tar, list_zip
from dino_pipeline.ingestion.compressed_tar import decompressed
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.copying import copy_source
from dino_pipeline.ingestion.digits import write_digits
from dino_pipeline.ingestion.folder import list_folder
from dino_pipeline.ingestion.listing import Listing
from dino_pipeline.ingestion.photographs import write_photographs

_EMBEDDED = "embedded:"


def list_source(
    config: IngestConfig, *, project_folder: Path, raw_folder: Path, cache_folder: Path
) -> Listing:
    """Everything that the source holds, embedded images written first.

    Raises:
        ValueError: no source is given, it is not there, or it is of a kind that cannot be read.
    """
    if not config.source:
        raise ValueError("ingest.source is not set: name your images, --params=ingest.source=/path/to/photos")
    if config.source.startswith(_EMBEDDED):
        return list_folder(_write_embedded(config.source.removeprefix(_EMBEDDED), config, raw_folder))

    source = project_folder / Path(config.source).expanduser()
    if ".." in source.parts:  # only then, since a link inside the project is better kept as a relative path
        source = source.resolve()
    if not source.exists():
        raise ValueError(
            f"ingest.source: {source} does not exist. A relative path starts at {project_folder}."
        )
    if config.copy_images:
        source = copy_source(source, raw_folder)
    if source.is_dir():
        return list_folder(source)
    if source.name.lower().endswith((".tar.gz", ".tgz")):
        max_bytes = config.max_unpacked_gigabytes * 10**9
        return list_tar(decompressed(source, cache_folder=cache_folder, max_bytes=max_bytes))
    if source.suffix.lower() == ".tar":
        return list_tar(source)
    if source.suffix.lower() == ".zip":
        return list_zip(source)
    raise ValueError(
        f"ingest.source: {source} is neither a folder nor a .tar, .tar.gz, .tgz or .zip: "
        "unpack it and give the folder."
    )


def _write_embedded(name: str, config: IngestConfig, raw_folder: Path) -> Path:
    folder = raw_folder / name
    if name == "photographs":
        write_photographs(folder, config.photographs)
    elif name == "digits":
        write_digits(folder)
    else:
        raise ValueError(f"ingest.source: no embedded images {name!r}, only photographs and digits")
    return folder
