"""What people look at: panels beside an image, charts of curves, pictures inside a page."""
