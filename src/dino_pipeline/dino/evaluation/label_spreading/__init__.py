"""Label spreading: a few given or drawn labels spread to all other images by weighted k-NN."""
