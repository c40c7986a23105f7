"""Retrieval: held-out images search the train split; the revisited Oxford and Paris protocols (arXiv:1803.11285)."""
