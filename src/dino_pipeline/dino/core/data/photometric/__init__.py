"""Photometric augmentation: what is drawn for a crop, and who carries it out: OpenCV one crop, torch many at once."""
