"""Names inside archives, which may be bytes of any code page without saying of which one."""

import re
import unicodedata
from collections.abc import Sequence

_EAST_ASIAN = ("cp932", "euc_kr", "gb2312")
# the order decides between equals: DOS, Windows and macOS of western Europe, then Russian
_SINGLE_BYTE = ("cp437", "cp850", "cp1252", "cp866", "cp1251")


def decode_names(names: Sequence[bytes], encoding: str | None) -> tuple[list[str], str]:
    """Decode the names of one archive. Returns them, and the encoding that was given or guessed.

    Names that are valid UTF-8 are UTF-8. Otherwise the guess is the code page in which they are most nearly words: East
    Asian characters apart from lower-case Latin ones, Cyrillic words, or Latin letters.

    Args:
        names: the bytes of each name.
        encoding: the encoding of all names; None: guess.

    Raises:
        ValueError: the given encoding is unknown, or does not decode a name.
    """
    if encoding is not None:
        try:
            return [name.decode(encoding) for name in names], encoding
        except (LookupError, UnicodeDecodeError) as error:
            raise ValueError(
                f"ingest.archive_encoding is {encoding}, but {error}: give the encoding of the system that packed "
                "the archive, such as cp932, cp850 or utf-8, or null to guess it"
            ) from error
    guess = _guess(b"\n".join(name for name in names if not name.isascii()))
    return [name.decode(guess, errors="replace") for name in names], guess


def _guess(names: bytes) -> str:
    if _decoded(names, "utf-8") is not None:
        return "utf-8"
    for encoding in _EAST_ASIAN:
        text = _decoded(names, encoding)
        if text is not None and _is_east_asian(text, encoding):
            return encoding
    return max(_SINGLE_BYTE, key=lambda encoding: _share_of_words(names, encoding))


def _decoded(names: bytes, encoding: str) -> str | None:
    try:
        return names.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_east_asian(text: str, encoding: str) -> bool:
    # kana, Han and full-width forms; Korean names are Hangul alone, since the Chinese code shares its bytes
    wide = r"\uac00-\ud7a3" if encoding == "euc_kr" else r"\u3005\u3041-\u30ff\u4e00-\u9fff\uff01-\uff5e"
    return not re.search(rf"[^\x00-\x7f{wide}]", text) and not re.search(
        rf"[a-z][{wide}]|[{wide}][a-z]", text
    )


def _share_of_words(names: bytes, encoding: str) -> float:
    """Share of the characters above ASCII that are letters of the encoding's script."""
    text = _decoded(names, encoding)
    if text is None:
        return 0.0
    script = "CYRILLIC" if encoding in ("cp866", "cp1251") else "LATIN"
    if script == "CYRILLIC" and re.search(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]", text):
        return 0.0  # Cyrillic words have no Latin letters
    others = [character for character in text if not character.isascii()]
    letters = sum(unicodedata.name(character, "").startswith(script) for character in others)
    # whole Cyrillic words are unlikely as runs of accented Latin letters
    return letters / len(others) + (0.01 if script == "CYRILLIC" else 0.0)
