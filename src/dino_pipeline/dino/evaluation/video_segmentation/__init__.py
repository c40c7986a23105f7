"""Video object segmentation with frozen features: the first frame's masks are propagated, and scored as DAVIS does."""
