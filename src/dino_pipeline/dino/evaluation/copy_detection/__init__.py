"""Copy detection: edited copies search for their originals (arXiv:2104.14294, 4.2.1 and table 4)."""
