"""What a file is that no decoder opens, by its first bytes, and what to do with it."""

import re

_CONVERT = "convert it to JPEG or PNG"
_RAW = f"a camera's raw file: develop it, or {_CONVERT}"
_ARCHIVE = "give the archive itself as the source, or unpack it"

# Images of formats that other programs show.
_IMAGES = (
    (rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", f"HEIC: pip install pillow-heif, or {_CONVERT}"),
    (rb"....ftypavi[fs]", f"AVIF: this Pillow is built without it; pip install -U pillow, or {_CONVERT}"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", f"JPEG XL: {_CONVERT}"),
    (rb"....ftypcrx|FUJIFILMCCD-RAW|IIU\0|II(RO|RS)|MMOR|FOVb", _RAW),
    (rb"8BP[SB]", f"a Photoshop document: {_CONVERT}"),
    (rb"\0\0[\x01\x02]\0.\0", f"an icon: {_CONVERT}"),
    (
        rb"DDS |qoif|\x76\x2f\x31\x01|SIMPLE  =|\x0a[\0-\x05]\x01[\x01\x02\x04\x08]|\x01\xda\0|P7\n",
        f"a rare format: {_CONVERT}",
    ),
    (rb".{128}DICM", f"DICOM: {_CONVERT}, or a TIFF of 16 bits"),
    (
        rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg",
        f"SVG: {_CONVERT}",
    ),
)
# Other files, some with the name of an image.
_OTHERS = (
    (rb"%PDF", "a PDF: export its pages as JPEG or PNG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", f"PostScript: {_CONVERT}"),
    (rb"....ftyp|....(moov|mdat)|\x1a\x45\xdf\xa3|RIFF....AVI ", "a video: extract its frames first"),
    (
        rb"PK\x03\x04|PK\x05\x06|\x1f\x8b|BZh|\xfd7zXZ\0|\x28\xb5\x2f\xfd|.{257}ustar",
        f"an archive: {_ARCHIVE}",
    ),
    (rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07", "an archive: unpack it and give the folder"),
    (rb"version https://git-lfs", "a pointer of Git LFS: git lfs pull fetches the image"),
    (rb"\s*<(!doctype )?html", "a web page, perhaps the error page of a failed download: download it again"),
)


def describe(data: bytes) -> tuple[str, str]:
    """Kind of problem and what to do: ("unsupported format", ...) for another image, else ("not an image", ...)."""
    for kind, table in (("unsupported format", _IMAGES), ("not an image", _OTHERS)):
        for signature, remedy in table:
            if re.match(signature, data[:1024], re.DOTALL | re.IGNORECASE):
                return kind, remedy
    return "not an image", "neither JPEG, PNG, GIF, BMP, TIFF, WebP, AVIF, HEIC, JPEG 2000 nor PPM"
