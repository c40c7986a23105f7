"""What the log of promotions says about the present."""

from collections.abc import Sequence

from dino_pipeline.model_registry.promotion.audit_record import Entry


def standing(entries: Sequence[Entry]) -> Entry | None:
    """The promotion that the log ends with once what was rolled back is taken away; None where nothing is left."""
    promotions: list[Entry] = []
    for entry in entries:
        if entry.kind == "promotion":
            promotions.append(entry)
        else:
            promotions.pop()
    return promotions[-1] if promotions else None


def undone(entries: Sequence[Entry], champion: int | None) -> Entry:
    """The promotion that a rollback takes back.

    Args:
        champion: the version that bears the alias.

    Raises:
        ValueError: nothing was promoted, nothing came before, or the alias was moved past the log.
    """
    last = standing(entries)
    if last is None:
        raise ValueError("nothing to roll back: the log holds no promotion that still stands")
    if last.after != champion:
        raise ValueError(
            f"the log ends with version {last.after} and the alias names {champion or 'none'}: it was moved by other "
            "hands than this command's. Promote the version that you want"
        )
    if last.before is None:
        raise ValueError(f"nothing to roll back to: version {last.after} is the first champion")
    return last
