"""The log of promotions for people."""

from collections.abc import Sequence

from dino_pipeline.model_registry.promotion.audit_record import Entry
from dino_pipeline.model_registry.promotion.history import standing
from dino_pipeline.tracking.registry import Version


def moved_text(name: str, entry: Entry) -> str:
    """What was just done."""
    return f"{name}/{entry.after} is the champion\n{entry}\n"


def log_text(entries: Sequence[Entry], champion: Version | None) -> str:
    """Every entry, the oldest first, and whether the alias follows them."""
    last = standing(entries)
    logged, borne = last.after if last else None, champion.number if champion else None
    lines = [str(entry) for entry in entries] or ["nothing was promoted"]
    if logged != borne:
        lines.append(
            f"the alias names version {borne or 'none'} where the log ends with {logged or 'none'}: it was moved by "
            "other hands, or a promotion was cut off after its entry"
        )
    return "\n".join(lines) + "\n"
