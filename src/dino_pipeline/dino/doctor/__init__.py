"""Whether this machine can train: checks of its devices, of a training on them, and of its free space."""
