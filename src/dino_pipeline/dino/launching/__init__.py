"""Starting workers under torchrun and ending them in order; knows nothing of what they compute."""
