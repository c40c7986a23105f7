"""`dino-pipeline lineage`: from a model to what made it, from data to the models that saw it."""
