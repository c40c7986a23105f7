"""The losses, one a file; the file's name is what `pretrain.loss.name` says."""
