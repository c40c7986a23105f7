"""List a .tar (members are read in place, by offset) or a .zip (by name). Nothing is extracted.

A compressed .tar has no access from the middle. It is decompressed once, to a plain .tar in the cache folder.
"""

import bz2
import gzip
import hashlib
import json
import logging
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.progress import Progress
from dino_pipeline.ingestion.listing import Listing, SourceContext, SourceFile, is_hidden, make_listing
from dino_pipeline.ingestion.sources.archive_names import decode_names

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")

_CHUNK = 1 << 20
_UTF8_FLAG, _ENCRYPTED_FLAG = 0x800, 1
_UNICODE_PATH = 0x7075  # Info-ZIP's extra field (APPNOTE 4.6.9)
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

logger = logging.getLogger(__name__)


def _zstd(packed: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(packed, "zstd")


# Readers of compressed archives, by the first bytes.
_COMPRESSED: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstd,
}


def list_archive(archive: Path, context: SourceContext) -> Listing:
    """Members of an archive, whose first bytes decide what it is. A compressed .tar goes to the cache folder first.

    Raises:
        ValueError: see `list_tar`, `list_zip` and `decompressed`.
    """
    with archive.open("rb") as file:
        first = file.read(8)
    encoding = context.config.archive_encoding
    if first.startswith(b"PK"):
        return list_zip(archive, encoding=encoding)
    if first.startswith(tuple(_COMPRESSED)):
        max_bytes = context.config.max_unpacked_gigabytes * 10**9
        archive = decompressed(archive, cache_folder=context.cache_folder, max_bytes=max_bytes)
    return list_tar(archive, encoding=encoding)


def list_tar(archive: Path, *, encoding: str | None = None) -> Listing:
    """Members of an uncompressed .tar. A hard link is the file that it names.

    Args:
        encoding: of the members' names; None: UTF-8, or a guess.

    Raises:
        ValueError: the archive is damaged, or a member or a link in it points outside the archive.
    """
    status = archive.stat()
    try:
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            members = list(tar)
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(archive, error) from error
    _check_end(archive, members)
    names = _names([member.name.encode(errors="surrogateescape") for member in members], archive, encoding)
    files: dict[str, SourceFile] = {}  # a repeated name means its last member, as in tar itself
    by_member: dict[str, SourceFile] = {}
    folders: list[str] = []
    num_repeats = 0
    for member, spelled in zip(members, names, strict=True):
        name = _inner_name(spelled, archive)
        if member.issym() or member.islnk():
            base = PurePosixPath(name).parent if member.issym() else PurePosixPath()
            _inner_name(str(base / member.linkname), archive)
        if is_hidden(name):
            continue
        if member.isdir():
            folders.append(name)
            continue
        num_repeats += name in files
        file = SourceFile(
            name=name,
            path=str(archive),
            member=spelled,
            offset=member.offset_data,
            size=member.size,
            mtime_ns=status.st_mtime_ns,
            problem=_tar_problem(member),
        )
        target = by_member.get(member.linkname) if member.islnk() else None
        files[name] = by_member[member.name] = replace(target, name=name, member=spelled) if target else file
    _say_repeats(archive, num_repeats)
    return make_listing(files.values(), folders)


def _check_end(archive: Path, members: Sequence[tarfile.TarInfo]) -> None:
    """Refuse a .tar whose list of members breaks off: `tarfile` takes a damaged header for the end of the archive."""
    last = members[-1] if members else None
    if last is None or last.issparse():
        return
    stored = -(-last.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE if last.isreg() else 0
    end = last.offset_data + stored
    with archive.open("rb") as file:
        file.seek(end)
        following = file.read(tarfile.BLOCKSIZE)
    if any(following) or 0 < len(following) < tarfile.BLOCKSIZE:
        raise _damaged(
            archive, ValueError(f"there is no member at byte {end:,}, after {len(members):,} members")
        )
    if not following:
        logger.warning(
            "%s has no mark of its end: it may be a part of an archive. Its %d members are used",
            archive,
            len(members),
        )


def decompressed(archive: Path, *, cache_folder: Path, max_bytes: int) -> Path:
    """The plain .tar of a compressed one, from this call or from an earlier call on the unchanged archive.

    The .tar gets the archive's modification time. So facts of its members stay valid when it is made again.

    Raises:
        ValueError: the archive is damaged, or grows beyond `max_bytes`.
    """
    status = archive.stat()
    origin = {"archive": str(archive), "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    tar = _cached_name(archive, cache_folder)
    note = tar.with_suffix(".tar.json")
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


def _cached_name(archive: Path, cache_folder: Path) -> Path:
    """The archive's own name with .tar, unless another archive of this name has it."""
    stem = next(
        (archive.name[: -len(end)] for end in ENDINGS if archive.name.lower().endswith(end)), archive.name
    )
    plain = cache_folder / f"{stem.removesuffix('.tar')}.tar"
    note = plain.with_suffix(".tar.json")
    other = Path(json.loads(note.read_text())["archive"]) if note.exists() else archive
    if other == archive or not other.exists():
        return plain
    return plain.with_name(f"{plain.stem}-{hashlib.sha256(str(archive).encode()).hexdigest()[:8]}.tar")


def list_zip(archive: Path, *, encoding: str | None = None) -> Listing:
    """Members of a .zip.

    Args:
        encoding: of the names that do not say theirs; None: UTF-8, or a guess.

    Raises:
        ValueError: the archive is damaged, or a member or a link in it points outside the archive.
    """
    status = archive.stat()
    files: dict[str, SourceFile] = {}
    folders: list[str] = []
    num_repeats = 0
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            names = _zip_names(members, archive, encoding)
            for info, spelled in zip(members, names, strict=True):
                name = _inner_name(spelled, archive)
                is_link = stat.S_ISLNK(info.external_attr >> 16)
                if is_link:
                    target = opened.read(info).decode(errors="replace") if info.file_size < 4096 else "/"
                    _inner_name(str(PurePosixPath(name).parent / target), archive)
                if is_hidden(name):
                    continue
                if spelled.endswith(("/", "\\")):
                    folders.append(name)
                    continue
                num_repeats += name in files
                files[name] = SourceFile(
                    name=name,
                    path=str(archive),
                    member=info.filename,
                    offset=None,
                    size=info.file_size,
                    mtime_ns=status.st_mtime_ns,
                    problem="not an image: a link" if is_link else _zip_problem(info),
                )
    except (zipfile.BadZipFile, NotImplementedError, struct.error) as error:
        raise _damaged(archive, error) from error
    _say_repeats(archive, num_repeats)
    return make_listing(files.values(), folders)


def _zip_names(members: Sequence[zipfile.ZipInfo], archive: Path, encoding: str | None) -> list[str]:
    """The members' names. `zipfile` reads those without a flag as code page 437, whatever packed them."""
    names = [_unicode_path(info) or info.filename for info in members]
    unknown = [
        position
        for position, info in enumerate(members)
        if not info.flag_bits & _UTF8_FLAG and names[position] == info.filename
    ]
    found = _names([members[position].filename.encode("cp437") for position in unknown], archive, encoding)
    for position, name in zip(unknown, found, strict=True):
        names[position] = name
    return names


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in UTF-8 that Info-ZIP and 7-Zip put beside one in a code page."""
    extra = info.extra
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(field) > 5 and not info.flag_bits & _UTF8_FLAG:
            (checksum,) = struct.unpack_from("<I", field, 1)
            if checksum == zlib.crc32(info.orig_filename.encode("cp437")):
                return field[5:].decode(errors="replace")
    return None


def _names(raw: Sequence[bytes], archive: Path, encoding: str | None) -> list[str]:
    names, found = decode_names(raw, encoding)
    if encoding is None and found != "utf-8":
        example = next(name for name in names if not name.isascii())
        logger.warning(
            "%s does not say the encoding of its names: they are read as %s, such as %s. If that is wrong, set "
            "ingest.archive_encoding (--params=ingest.archive_encoding=cp932)",
            archive,
            found,
            example,
        )
    return names


def _say_repeats(archive: Path, num_repeats: int) -> None:
    if num_repeats:
        logger.warning(
            "%s has %d members whose name comes again: the last one of a name counts, as when it is unpacked",
            archive,
            num_repeats,
        )


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


def _zip_problem(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & _ENCRYPTED_FLAG:
        return "cannot be read: encrypted; unpack the archive and give the folder"
    if info.compress_type not in _ZIP_METHODS:
        method = zipfile.compressor_names.get(info.compress_type, str(info.compress_type))  # type: ignore[attr-defined]
        return f"cannot be read: compressed by {method}; unpack the archive and give the folder"
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
            _opened(packed) as source,
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
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{archive} is damaged ({error}): copy or download it again.") from error
    except OSError as error:
        if error.errno is None:  # of a reader of bz2 or zstd; the file system's errors have a number
            raise ValueError(f"{archive} is damaged ({error}): copy or download it again.") from error
        raise


def _opened(packed: BinaryIO) -> Any:
    first = packed.read(8)
    packed.seek(0)
    return next(open_ for start, open_ in _COMPRESSED.items() if first.startswith(start))(packed)
