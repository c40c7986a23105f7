"""Start workers under torchrun and stop them in order. This package does not depend on what they compute."""
