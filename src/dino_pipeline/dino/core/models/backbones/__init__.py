"""Adapters that run a timm network as DINO runs it, one a file; `build_backbone` takes the one that fits."""
