"""What people look at: panels beside an image, sheets of images, charts of curves, pictures inside a page."""
