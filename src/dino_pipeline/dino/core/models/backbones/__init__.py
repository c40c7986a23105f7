"""Adapters that run timm networks as DINO needs, one per file. `build_backbone` takes the first that fits."""
