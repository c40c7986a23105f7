"""Names of archives from other systems are read as they were written, or as the user says."""

import io
import logging
import struct
import tarfile
import zlib
from pathlib import Path

import pytest

from dino_pipeline.ingestion.sources.archive import list_tar, list_zip
from dino_pipeline.ingestion.sources.archive_names import decode_names

from ..conftest import RunIngest, WriteImage

WESTERN = ["Katzen/Kätzchen.jpg", "café/déjà vu.jpg", "Übung/Größe.jpg", "niño/garçon.jpg"]
JAPANESE = ["猫/写真1.jpg", "犬/ポチ.jpg", "ネコ/001.jpg"]
CHINESE = ["猫/图片1.jpg", "狗/照片.jpg"]
KOREAN = ["고양이/사진1.jpg", "강아지/하나.jpg"]
RUSSIAN = ["кошка/фото1.jpg", "собака/два.jpg"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["cat/1.jpg"], "utf-8"),
        *((names, "utf-8") for names in (WESTERN, JAPANESE, CHINESE, KOREAN, RUSSIAN)),
        (WESTERN, "cp437"),
        (["São/João.jpg", "Älv/é.jpg"], "cp850"),
        (WESTERN, "cp1252"),
        (JAPANESE, "cp932"),
        (CHINESE, "gb2312"),
        (KOREAN, "euc_kr"),
        (RUSSIAN, "cp866"),
        (RUSSIAN, "cp1251"),
    ],
)
def test_names_of_a_code_page_are_guessed(names: list[str], encoding: str) -> None:
    found, _ = decode_names([name.encode(encoding) for name in names], None)
    assert found == names


@pytest.mark.parametrize("encoding", ["cp850", "cp932", "latin-1"])
def test_a_given_encoding_is_used(encoding: str) -> None:
    assert decode_names([b"\xa0.jpg", b"\xb1\xb2.jpg"], encoding) == (
        [b"\xa0.jpg".decode(encoding), b"\xb1\xb2.jpg".decode(encoding)],
        encoding,
    )


@pytest.mark.parametrize("encoding", ["utf-8", "no-such-encoding", "cp932"])
def test_a_given_encoding_that_does_not_fit_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match=f"archive_encoding is {encoding}"):
        decode_names([b"caf\x82"], encoding)


def raw_zip(path: Path, names: list[bytes], *, flags: int = 0, extra: bytes = b"", data: bytes = b"") -> Path:
    """A .zip as another program writes it: names are bytes, and no flag says of which encoding."""
    body, directory = b"", b""
    for name in names:
        sizes = (zlib.crc32(data), len(data), len(data), len(name), len(extra))
        common = struct.pack("<HHHHHIIIHH", 20, flags, 0, 0, 33, *sizes)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + name + extra
        body += b"PK\x03\x04" + common + name + extra + data
    end = struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\x05\x06" + end)
    return path


def names_of(listing: object) -> list[str]:
    return [file.name for file in listing.files]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("names", "encoding"), [(JAPANESE, "cp932"), (WESTERN, "cp437"), (RUSSIAN, "cp866")])
def test_a_zip_of_another_system_has_its_names_and_says_the_guess(
    names: list[str], encoding: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = raw_zip(tmp_path / "x.zip", [name.encode(encoding) for name in names])
    with caplog.at_level(logging.WARNING):
        assert names_of(list_zip(archive)) == sorted(names)
    assert f"read as {encoding}" in caplog.text
    assert "ingest.archive_encoding" in caplog.text


def test_names_in_utf_8_need_no_flag_and_no_guess(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for flags in (0, 0x800):
        archive = raw_zip(tmp_path / f"{flags}.zip", [name.encode() for name in JAPANESE], flags=flags)
        assert names_of(list_zip(archive)) == sorted(JAPANESE)
    assert not caplog.text


def test_the_name_beside_the_name_counts(tmp_path: Path) -> None:
    raw, name = b"caf\x82.jpg", "猫.jpg"
    field = struct.pack("<BI", 1, zlib.crc32(raw)) + name.encode()
    extra = struct.pack("<HH", 0x7075, len(field)) + field
    assert names_of(list_zip(raw_zip(tmp_path / "x.zip", [raw], extra=extra))) == [name]
    stale = struct.pack("<HH", 0x7075, len(field)) + struct.pack("<BI", 1, 0) + name.encode()
    assert names_of(list_zip(raw_zip(tmp_path / "y.zip", [raw], extra=stale))) == ["café.jpg"]


def test_classes_of_a_code_page_reach_the_manifest_and_their_images_are_read(
    tmp_path: Path, write_image: WriteImage, run: RunIngest
) -> None:
    data = write_image(tmp_path / "a.jpg").read_bytes()
    archive = raw_zip(tmp_path / "x.zip", ["猫/1.jpg".encode("cp932"), "犬/2.jpg".encode("cp932")], data=data)
    found = run(archive, validation_fraction=0.0)
    assert sorted(found.manifest["label"]) == ["犬", "猫"]
    given = run(archive, validation_fraction=0.0, archive_encoding="cp437")
    assert sorted(given.manifest["label"]) == sorted(name.encode("cp932").decode("cp437") for name in "犬猫")


def test_a_tar_of_a_code_page_is_read_whole(tmp_path: Path, write_image: WriteImage, run: RunIngest) -> None:
    data = write_image(tmp_path / "a.jpg").read_bytes()
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT, encoding="cp932") as tar:
        for name in JAPANESE:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    assert names_of(list_tar(tmp_path / "x.tar")) == sorted(JAPANESE)
    found = run(tmp_path / "x.tar", validation_fraction=0.0)
    assert sorted(found.manifest["label"]) == ["ネコ", "犬", "猫"]
    assert not len(found.quarantine)
