"""The losses, one per file. The file's name is the value of `pretrain.loss.name`."""
