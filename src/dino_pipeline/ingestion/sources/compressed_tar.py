"""A .tar.gz cannot be read from the middle: it is decompressed once to a plain .tar in the cache folder."""

import gzip
import json
import logging
import os
import zlib
from pathlib import Path

from dino_pipeline.dino.partial import written_whole

logger = logging.getLogger(__name__)

_CHUNK = 1 << 20


def decompressed(archive: Path, *, cache_folder: Path, max_bytes: int) -> Path:
    """The plain .tar of a .tar.gz, made now or found from an earlier call on the unchanged archive.

    Its time is the archive's, so that an index of the members stays valid when it has to be made again.

    Raises:
        ValueError: the archive is damaged, or grows beyond `max_bytes`.
    """
    status = archive.stat()
    tar = cache_folder / (archive.name.removesuffix(".tgz").removesuffix(".gz").removesuffix(".tar") + ".tar")
    note = tar.with_suffix(".tar.json")
    origin = {"archive": str(archive), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    if (
        tar.exists()
        and note.exists()
        and json.loads(note.read_text()) == origin | {"unpacked": tar.stat().st_size}
    ):
        return tar

    cache_folder.mkdir(parents=True, exist_ok=True)
    logger.info("Decompressing %s once, to %s: only a plain .tar can be read from the middle", archive, tar)
    with written_whole(tar) as partial:
        _decompress(archive, partial, max_bytes)
        os.utime(partial, ns=(status.st_mtime_ns, status.st_mtime_ns))
        note.unlink(missing_ok=True)
    with written_whole(note) as partial:
        partial.write_text(json.dumps(origin | {"unpacked": tar.stat().st_size}))
    return tar


def _decompress(archive: Path, target: Path, max_bytes: int) -> None:
    written = 0
    try:
        with gzip.open(archive) as source, target.open("wb") as output:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > max_bytes:
                    raise ValueError(
                        f"{archive} holds more than {max_bytes / 1e9:g} GB: if that is right, "
                        "raise it by --params=ingest.max_unpacked_gigabytes=..."
                    )
                output.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{archive} is damaged ({error}): copy or download it again.") from error
