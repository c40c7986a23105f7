"""A file that is no readable image is named, with what to do."""

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile

import pytest
from PIL import Image

from dino_pipeline.dino.file_kinds import describe


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def saved(format):
    return written(lambda buffer: Image.new("RGB", (32, 32)).save(buffer, format))


def tar(buffer):
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        opened.addfile(tarfile.TarInfo("cat.jpg"))


def zipped(buffer):
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("cat.jpg", b"")


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(99), "unsupported format", "HEIC: pip install pillow-heif"),
        (b"\0\0\0\x18ftypmif1" + bytes(99), "unsupported format", "HEIC"),
        (b"\xff\x0a" + bytes(99), "unsupported format", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported format", "JPEG XL"),
        (b"FUJIFILMCCD-RAW 0201", "unsupported format", "raw file"),
        (b"\0\0\0\x18ftypcrx ", "unsupported format", "raw file"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="', "unsupported format", "SVG"),
        (b"\xef\xbb\xbf<svg>", "unsupported format", "SVG"),
        (b"8BPS\0\1", "unsupported format", "Photoshop"),
        (saved("ICO"), "unsupported format", "icon"),
        (saved("QOI"), "unsupported format", "rare"),
        (saved("PCX"), "unsupported format", "rare"),
        (saved("SGI"), "unsupported format", "rare"),
        (bytes(128) + b"DICM", "unsupported format", "DICOM"),
        (saved("PDF"), "not an image", "PDF"),
        (written(tar), "not an image", "archive"),
        (written(zipped), "not an image", "archive"),
        (gzip.compress(b"words"), "not an image", "archive"),
        (b"Rar!\x1a\x07\0", "not an image", "unpack"),
        (b"\0\0\0\x18ftypisom", "not an image", "video"),
        (b"<!DOCTYPE html><title>404", "not an image", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "not an image", "Git LFS"),
        (b"words", "not an image", "JPEG"),
        (b"", "not an image", "JPEG"),
    ],
    ids=lambda value: "data" if isinstance(value, bytes) else None,
)
def test_a_file_is_named_by_its_first_bytes(data, kind, said):
    found, detail = describe(data)
    assert found == kind
    assert said in detail


def test_without_its_library_heic_says_how_to_get_it():
    code = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from dino_pipeline.dino.core.data.images import decode_rgb\n"
        "try: decode_rgb(b'\\0\\0\\0\\x18ftypheic' + bytes(99))\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout.strip()
        == "unsupported format: HEIC: pip install pillow-heif, or convert it to JPEG or PNG"
    )
