"""A few labels, given or drawn, go to all other images by weighted k-NN."""
