"""List a .tar (members are read in place, by offset) or a .zip (by name). Nothing is extracted.

A .tar.gz has no access from the middle. It is decompressed once, to a plain .tar in the cache folder.
"""

import gzip
import json
import logging
import os
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.progress import Progress
from dino_pipeline.ingestion.listing import Listing, SourceContext, SourceFile, is_hidden, make_listing

_CHUNK = 1 << 20

logger = logging.getLogger(__name__)


def list_tar(archive: Path) -> Listing:
    """Members of an uncompressed .tar.

    Raises:
        ValueError: the archive is damaged, or a member or a link in it points outside the archive.
    """
    status = archive.stat()
    files: dict[str, SourceFile] = {}  # a repeated name means its last member, as in tar itself
    folders: list[str] = []
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                name = _inner_name(member.name, archive)
                if member.issym() or member.islnk():
                    base = PurePosixPath(name).parent if member.issym() else PurePosixPath()
                    _inner_name(str(base / member.linkname), archive)
                if is_hidden(name):
                    continue
                if member.isdir():
                    folders.append(name)
                    continue
                files[name] = SourceFile(
                    name=name,
                    path=str(archive),
                    member=member.name,
                    offset=member.offset_data,
                    size=member.size,
                    mtime_ns=status.st_mtime_ns,
                    problem=_tar_problem(member),
                )
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(archive, error) from error
    return make_listing(files.values(), folders)


def list_compressed_tar(archive: Path, context: SourceContext) -> Listing:
    """Members of a .tar.gz, after decompression to the cache folder.

    Raises:
        ValueError: see `list_tar` and `decompressed`.
    """
    max_bytes = context.config.max_unpacked_gigabytes * 10**9
    return list_tar(decompressed(archive, cache_folder=context.cache_folder, max_bytes=max_bytes))


def decompressed(archive: Path, *, cache_folder: Path, max_bytes: int) -> Path:
    """The plain .tar of a .tar.gz, from this call or from an earlier call on the unchanged archive.

    The .tar gets the archive's modification time. So facts of its members stay valid when it is made again.

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
    logger.info("Decompressing %s to %s, once: only a plain .tar can be read at any position", archive, tar)
    with written_whole(tar) as partial:
        _decompress(archive, partial, max_bytes)
        os.utime(partial, ns=(status.st_mtime_ns, status.st_mtime_ns))
        note.unlink(missing_ok=True)
    with written_whole(note) as partial:
        partial.write_text(json.dumps(origin | {"unpacked": tar.stat().st_size}))
    return tar


def list_zip(archive: Path) -> Listing:
    """Members of a .zip.

    Raises:
        ValueError: the archive is damaged, or a member or a link in it points outside the archive.
    """
    status = archive.stat()
    files: dict[str, SourceFile] = {}
    folders: list[str] = []
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                name = _inner_name(info.filename, archive)
                is_link = stat.S_ISLNK(info.external_attr >> 16)
                if is_link:
                    target = opened.read(info).decode(errors="replace") if info.file_size < 4096 else "/"
                    _inner_name(str(PurePosixPath(name).parent / target), archive)
                if is_hidden(name):
                    continue
                if info.is_dir():
                    folders.append(name)
                    continue
                encrypted = "cannot be read: encrypted" if info.flag_bits & 1 else None
                files[name] = SourceFile(
                    name=name,
                    path=str(archive),
                    member=info.filename,
                    offset=None,
                    size=info.file_size,
                    mtime_ns=status.st_mtime_ns,
                    problem="not an image: a link" if is_link else encrypted,
                )
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _damaged(archive, error) from error
    return make_listing(files.values(), folders)


def _inner_name(member: str, archive: Path) -> str:
    parts: list[str] = []
    spelled = member.replace("\\", "/")
    escapes = spelled.startswith("/") or spelled[1:2] == ":"
    for part in spelled.split("/"):
        if part == "..":
            escapes = escapes or not parts
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    if escapes:
        raise ValueError(
            f"{archive} is refused: its member {member!r} points outside the archive. Use an archive from a "
            "source you trust, or unpack it yourself and give the folder."
        )
    return "/".join(parts)


def _tar_problem(member: tarfile.TarInfo) -> str | None:
    if member.issym() or member.islnk():
        return "not an image: a link"
    if not member.isreg():
        return "not an image: a pipe or device"
    if member.issparse():
        return "cannot be read: stored as a sparse file; unpack the archive and give the folder"
    return None


def _damaged(archive: Path, error: BaseException) -> ValueError:
    return ValueError(
        f"{archive} is damaged, or its type is not what its name says ({error}): copy or download it again."
    )


def _decompress(archive: Path, target: Path, max_bytes: int) -> None:
    written = 0
    try:
        with (
            archive.open("rb") as packed,
            gzip.open(packed) as source,
            target.open("wb") as output,
            Progress("decompress", total=archive.stat().st_size // 10**6, unit="MB", delay=1) as progress,
        ):
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > max_bytes:
                    raise ValueError(
                        f"{archive} contains more than {max_bytes / 1e9:g} GB: if you expect that, raise the "
                        "limit with --params=ingest.max_unpacked_gigabytes=..."
                    )
                output.write(chunk)
                progress.move_to(packed.tell() // 10**6)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{archive} is damaged ({error}): copy or download it again.") from error
