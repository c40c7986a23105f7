"""Turn a source of images into a manifest: list files, inspect them, set unusable ones aside, assign splits."""
