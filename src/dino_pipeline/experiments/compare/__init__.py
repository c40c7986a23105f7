"""Models side by side: rows of a table, trained where they have to be, with intervals and verdicts on orderings."""
