"""From a model to what made it; from data and images to the models that used them."""
