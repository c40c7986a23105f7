"""Plots: panels beside an image, sheets of images, charts of curves, and pictures inside a page."""
