"""A challenger replaces the champion if it is better on the same validation images; a log records every change."""
