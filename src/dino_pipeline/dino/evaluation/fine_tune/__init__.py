"""End-to-end training with labels, from the pretrained backbone and from what it is compared with."""
