"""Plots: panels beside an image, sheets of images, charts of curves, and pictures inside a page."""

import logging

# With a home that cannot be written to, it warns of each temporary cache.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
