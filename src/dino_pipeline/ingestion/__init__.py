"""From a source of images to a manifest: listing, inspection, quarantine, splits."""
