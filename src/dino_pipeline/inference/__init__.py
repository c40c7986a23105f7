"""Use a published model: embed images, and draw where it looks."""
