"""Photometric augmentation: parameters drawn for a crop, applied by OpenCV (one crop) or torch (many crops)."""
