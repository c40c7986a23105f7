"""Trace a model to its code, data and parameters, and data and images to the models that used them."""
