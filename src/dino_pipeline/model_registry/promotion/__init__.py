"""Replace the champion by a challenger that is better on the same validation images. A log records every change."""
