"""The ways in which a list may spell a path."""

import re
import unicodedata
from urllib.parse import unquote

_DRIVE = re.compile(r"/?[A-Za-z]:[\\/]|\\\\")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE = re.compile(r"file:(?://(?:localhost)?(?=/))?", re.IGNORECASE)


def spellings(path: str) -> list[str]:
    """The path as it stands, then read as a `file://` address, with backslashes, and in the other form of Unicode."""
    address = _FILE.match(path)
    plain = unquote(path[address.end() :]) if address else path
    slashed = plain.replace("\\", "/")
    forms = [unicodedata.normalize(form, one) for one in (plain, slashed) for form in ("NFC", "NFD")]
    return list(dict.fromkeys([path, plain, slashed, *forms]))


def foreign(path: str) -> str | None:
    """Why no file of this machine can have the path, and what to do; None for other paths."""
    address = _FILE.match(path)
    if _DRIVE.match(path[address.end() :] if address else path):
        return "is a path of Windows, which this machine does not have: write paths relative to the list's folder"
    if _ADDRESS.match(path) and not address:
        return "is an address: download the images, and write the paths of files"
    return None
