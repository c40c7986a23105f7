"""Archives are read without extracting them, and refused when a member points outside."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.ingestion.sources.archive import decompressed, list_tar, list_zip

from ..conftest import RunIngest, WriteImage

Pack = Callable[[Path, Path], Path]


def pack_tar(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w:gz" if target.suffix in (".gz", ".tgz") else "w") as tar:
        tar.add(folder, "set")
    return target


def pack_zip(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in sorted(folder.rglob("*")):
            opened.write(path, f"set/{path.relative_to(folder)}")
    return target


def pack_zstd(data: bytes) -> bytes:
    packed: bytes = pa.compress(data, "zstd", asbytes=True)
    return packed


@pytest.fixture
def folder(tmp_path: Path, write_image: WriteImage) -> Path:
    folder = tmp_path / "images"
    for name in ("train/cat/1.jpg", "train/dog/2.png", "train/dog/3.jpg", "val/cat/4.jpg", "val/dog/5.jpg"):
        write_image(folder / name)
    (folder / "train/cat/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "train/.hidden.jpg").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.tar", pack_tar),
        ("x.tar.gz", pack_tar),
        ("x.tgz", pack_tar),
        ("x.zip", pack_zip),
        ("X.ZIP", pack_zip),
    ],
)
def test_an_archive_gives_what_its_folder_gives(
    name: str, pack: Pack, folder: Path, tmp_path: Path, run: RunIngest
) -> None:
    from_folder, from_archive = run(folder), run(pack(folder, tmp_path / name))
    same = ["split", "label", "width", "height", "bytes", "sha256"]
    assert from_archive.manifest[same].to_dict("list") == from_folder.manifest[same].to_dict("list")
    assert from_archive.quarantine["member"].tolist() == ["set/train/cat/broken.jpg"]

    table = SCHEMA.empty_table().from_pandas(from_archive.manifest, schema=SCHEMA, preserve_index=False)
    manifest = Manifest(table, tmp_path / "project", table.column("bytes").to_numpy())
    for position, path in enumerate(from_folder.manifest["path"]):
        assert manifest.read_bytes(position) == Path(path).read_bytes()


def tar_with(path: Path, member: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        tar.addfile(member, io.BytesIO(b""))
    return path


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.jpg", "train/../../x.jpg", "..\\x.jpg", "C:\\x.jpg"])
def test_members_outside_the_archive_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="points outside the archive"):
        list_tar(tar_with(tmp_path / "x.tar", tarfile.TarInfo(name)))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
        opened.writestr(name, b"")
    with pytest.raises(ValueError, match="points outside the archive"):
        list_zip(tmp_path / "x.zip")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../etc/passwd"])
def test_links_outside_the_archive_are_refused(kind: bytes, target: str, tmp_path: Path) -> None:
    member = tarfile.TarInfo("train/x.jpg")
    member.type, member.linkname = kind, target
    with pytest.raises(ValueError, match="points outside the archive"):
        list_tar(tar_with(tmp_path / "x.tar", member))


def test_a_zip_link_outside_is_refused_and_one_inside_is_no_image(tmp_path: Path) -> None:
    for target in ("../../secret", "other.jpg"):
        info = zipfile.ZipInfo("train/x.jpg")
        info.external_attr = 0o120777 << 16
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as opened:
            opened.writestr(info, target)
        if target.startswith(".."):
            with pytest.raises(ValueError, match="points outside the archive"):
                list_zip(tmp_path / "x.zip")
    assert list_zip(tmp_path / "x.zip").files[0].problem == "not an image: a link"


def test_links_inside_a_tar_and_pipes_are_no_images(tmp_path: Path) -> None:
    for kind, word in ((tarfile.SYMTYPE, "link"), (tarfile.FIFOTYPE, "pipe")):
        member = tarfile.TarInfo("train/x.jpg")
        member.type, member.linkname = kind, "../y.jpg"
        problem = list_tar(tar_with(tmp_path / "x.tar", member)).files[0].problem
        assert problem is not None
        assert word in problem


def test_the_last_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for data in (b"old", b"newer"):
            member = tarfile.TarInfo("a.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (file,) = list_tar(tmp_path / "x.tar").files
    assert (tmp_path / "x.tar").read_bytes()[file.offset :][: file.size] == b"newer"


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip"])
def test_a_damaged_archive_is_a_clear_error(name: str, tmp_path: Path, folder: Path, run: RunIngest) -> None:
    archive = (pack_zip if name.endswith("zip") else pack_tar)(folder, tmp_path / name)
    archive.write_bytes(archive.read_bytes()[: 2 * archive.stat().st_size // 3])
    with pytest.raises(ValueError, match="is damaged"):
        run(archive)
    archive.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is damaged"):
        run(archive)


def test_a_zip_member_with_wrong_bytes_is_quarantined(tmp_path: Path, folder: Path, run: RunIngest) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as opened:  # stored, so the bytes can be found
        for path in folder.rglob("[0-9].*"):
            opened.write(path, str(path.relative_to(folder)))
    victim = (folder / "train/dog/3.jpg").read_bytes()
    archive.write_bytes(archive.read_bytes().replace(victim, victim[:-9] + bytes(9)))
    quarantine = run(archive).quarantine
    assert quarantine["member"].tolist() == ["train/dog/3.jpg"]
    assert quarantine["reason"][0].startswith("corrupt: Bad CRC-32")


def test_an_archive_that_grows_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "x.tar.gz"
    bomb.write_bytes(gzip.compress(bytes(5_000_000)))
    with pytest.raises(ValueError, match="max_unpacked_gigabytes"):
        decompressed(bomb, cache_folder=tmp_path / "cache", max_bytes=1_000_000)
    assert not list((tmp_path / "cache").iterdir())


def test_a_zip_member_that_unfolds_into_gigabytes_is_not_unfolded(
    tmp_path: Path, folder: Path, run: RunIngest
) -> None:
    pack_zip(folder, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip", "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("set/train/cat/bomb.jpg", bytes(5_000_000))
    quarantine = run(tmp_path / "x.zip", max_file_megabytes=1).quarantine.set_index("member")
    assert quarantine["reason"]["set/train/cat/bomb.jpg"].startswith("too large a file: 5,000,000 bytes")


def test_an_archive_is_decompressed_once_and_again_when_it_changed(tmp_path: Path) -> None:
    archive, cache = tmp_path / "x.tgz", tmp_path / "cache"
    archive.write_bytes(gzip.compress(b"first"))
    tar = decompressed(archive, cache_folder=cache, max_bytes=100)
    written = tar.stat().st_ino
    assert decompressed(archive, cache_folder=cache, max_bytes=100).stat().st_ino == written
    archive.write_bytes(gzip.compress(b"second one"))
    assert decompressed(archive, cache_folder=cache, max_bytes=100).read_bytes() == b"second one"


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.tar.bz2", bz2.compress),
        ("x.tbz2", bz2.compress),
        ("x.tar.xz", lzma.compress),
        ("x.txz", lzma.compress),
        ("x.tar.zst", pack_zstd),
        ("x.tzst", pack_zstd),
        ("x.tar", gzip.compress),  # the bytes decide, not the name
        ("x.tar.gz", lambda data: data),
        ("x.zip", lambda data: data),
    ],
)
def test_a_compressed_tar_gives_what_its_folder_gives(
    name: str, pack: Callable[[bytes], bytes], folder: Path, tmp_path: Path, run: RunIngest
) -> None:
    (tmp_path / name).write_bytes(pack(pack_tar(folder, tmp_path / "plain.tar").read_bytes()))
    assert run(tmp_path / name).manifest["sha256"].tolist() == run(folder).manifest["sha256"].tolist()


@pytest.mark.parametrize(
    ("pack", "damage"),
    [
        *((pack, "cut") for pack in (gzip.compress, bz2.compress, lzma.compress, pack_zstd)),
        *((pack, "overwritten") for pack in (gzip.compress, bz2.compress, lzma.compress)),
    ],
)
def test_a_damaged_compressed_tar_is_named(
    pack: Callable[[bytes], bytes], damage: str, folder: Path, tmp_path: Path, run: RunIngest
) -> None:
    packed = pack(pack_tar(folder, tmp_path / "plain.tar").read_bytes())
    half = len(packed) // 2
    rest = b"" if damage == "cut" else bytes(99) + packed[half + 99 :]
    (tmp_path / "x.tgz").write_bytes(packed[:half] + rest)
    with pytest.raises(ValueError, match="is damaged"):
        run(tmp_path / "x.tgz")


@pytest.mark.parametrize("pack", [pack_tar, pack_zip])
def test_a_truncated_archive_is_named(pack: Pack, folder: Path, tmp_path: Path, run: RunIngest) -> None:
    archive = pack(folder, tmp_path / ("x.tar" if pack is pack_tar else "x.zip"))
    whole = archive.read_bytes()
    for length in (1800, 3 * 512 - 99, len(whole) // 2 - 99):
        archive.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is damaged"):
            run(archive)


def test_a_tar_that_is_damaged_between_members_is_named_and_one_without_an_end_is_used(
    folder: Path, tmp_path: Path, run: RunIngest, caplog: pytest.LogCaptureFixture
) -> None:
    whole = pack_tar(folder, tmp_path / "x.tar").read_bytes()
    members = list_tar(tmp_path / "x.tar").files
    middle = sorted(file.offset for file in members if file.offset)[2] - 512
    (tmp_path / "x.tar").write_bytes(whole[:middle] + b"\x55" * 512 + whole[middle + 512 :])
    with pytest.raises(ValueError, match="is damaged"):
        run(tmp_path / "x.tar")
    last = max((file for file in members if file.offset), key=lambda file: file.offset or 0)
    end = (last.offset or 0) + -(-last.size // 512) * 512
    (tmp_path / "x.tar").write_bytes(whole[:end])
    assert len(run(tmp_path / "x.tar").manifest) == 5
    assert "no mark of its end" in caplog.text


def test_two_archives_of_one_name_are_two_archives(folder: Path, tmp_path: Path, run: RunIngest) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    pack_tar(folder / "train/cat", tmp_path / "a/x.tgz")
    pack_tar(folder / "train/dog", tmp_path / "b/x.tgz")
    for _ in range(2):
        found = run((str(tmp_path / "a/x.tgz"), str(tmp_path / "b/x.tgz")), validation_fraction=0.0)
        assert found.manifest["path"].nunique() == 2
        table = SCHEMA.empty_table().from_pandas(found.manifest, schema=SCHEMA, preserve_index=False)
        manifest = Manifest(table, tmp_path / "project", table.column("bytes").to_numpy())
        for position in range(len(manifest)):
            manifest.read_verified(position)


def test_long_names_links_and_repeated_names_of_a_tar(
    folder: Path, tmp_path: Path, run: RunIngest, caplog: pytest.LogCaptureFixture
) -> None:
    image = (folder / "train/cat/1.jpg").read_bytes()
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        long = "a folder of a very long name " * 9 + "/1.jpg"
        with tarfile.open(tmp_path / "x.tar", "w", format=format) as tar:
            for name, data in ((long, image), ("twice.jpg", b"first"), ("./twice.jpg", image)):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            kinds = {"hard.jpg": tarfile.LNKTYPE, "soft.jpg": tarfile.SYMTYPE, "pipe.jpg": tarfile.FIFOTYPE}
            for name, kind in kinds.items():
                link = tarfile.TarInfo(name)
                link.type, link.linkname = kind, "twice.jpg" if kind == tarfile.SYMTYPE else "./twice.jpg"
                tar.addfile(link)
        listing = {file.name: file for file in list_tar(tmp_path / "x.tar").files}
        assert listing.keys() == {long, "twice.jpg", "hard.jpg", "soft.jpg", "pipe.jpg"}
        assert listing["hard.jpg"].problem is None
        assert (listing["hard.jpg"].offset, listing["hard.jpg"].size) == (
            listing["twice.jpg"].offset,
            len(image),
        )
        assert listing["soft.jpg"].problem == "not an image: a link"
        assert "1 members whose name comes again" in caplog.text
        assert run(tmp_path / "x.tar", validation_fraction=0.0).summary["num_images"] == 3


def test_what_other_systems_add_to_a_zip_is_no_input(folder: Path, tmp_path: Path) -> None:
    archive = pack_zip(folder, tmp_path / "x.zip")
    before = list_zip(archive)
    with zipfile.ZipFile(archive, "a") as opened:
        for name in (
            "__MACOSX/set/._1.jpg",
            "set/.DS_Store",
            "set/Thumbs.db",
            "set/desktop.ini",
            "set/@eaDir/1.jpg",
        ):
            opened.writestr(name, b"")
        opened.writestr(zipfile.ZipInfo("set\\windows\\"), b"")
    after = list_zip(archive)
    assert [file.name for file in after.files] == [file.name for file in before.files]
    assert after.folders == before.folders | {"set/windows"}


@pytest.mark.parametrize(
    ("position", "value", "said"), [(8, 1, "encrypted"), (10, 9, "deflate64"), (10, 99, "99")]
)
def test_members_that_cannot_be_unpacked_are_named_and_the_others_used(
    position: int, value: int, said: str, folder: Path, tmp_path: Path, run: RunIngest
) -> None:
    data = bytearray(pack_zip(folder, tmp_path / "x.zip").read_bytes())
    entry = data.index(b"set/train/cat/1.jpg", data.index(b"PK\x01\x02")) - 46
    data[entry + position] = value
    (tmp_path / "x.zip").write_bytes(data)
    found = run(tmp_path / "x.zip")
    reasons = found.quarantine.set_index("member")["reason"]
    assert said in reasons["set/train/cat/1.jpg"]
    assert len(found.manifest) == 4
