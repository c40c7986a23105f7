"""List a .tar (its members are read in place, by offset) or a .zip (by name). Nothing is ever extracted."""

import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from dino_pipeline.ingestion.listing import Listing, SourceFile, is_hidden, make_listing


def list_tar(archive: Path) -> Listing:
    """Members of an uncompressed .tar.

    Raises:
        ValueError: the archive is damaged, or a member or a link in it points outside of it.
    """
    status = archive.stat()
    files: dict[str, SourceFile] = {}  # a name that occurs twice means its last member, as for tar itself
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


def list_zip(archive: Path) -> Listing:
    """Members of a .zip.

    Raises:
        ValueError: the archive is damaged, or a member or a link in it points outside of it.
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
            f"{archive} is refused: its member {member!r} points outside the archive. "
            "Take an archive from a source you trust, or unpack it yourself and give the folder."
        )
    return "/".join(parts)


def _tar_problem(member: tarfile.TarInfo) -> str | None:
    if member.issym() or member.islnk():
        return "not an image: a link"
    if not member.isreg():
        return "not an image: a pipe or device"
    if member.issparse():
        return "cannot be read: stored sparse, unpack the archive and give the folder"
    return None


def _damaged(archive: Path, error: BaseException) -> ValueError:
    return ValueError(f"{archive} is damaged or not what its name says ({error}): copy or download it again.")
