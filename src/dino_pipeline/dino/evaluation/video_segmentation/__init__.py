"""Video object segmentation with frozen features: propagate the first frame's masks, and score them as DAVIS does."""
