"""Pretrain image backbones without labels by DINO, and inspect what they learned."""

__version__ = "0.1.0"
