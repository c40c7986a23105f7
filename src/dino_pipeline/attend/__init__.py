"""`dino-pipeline attend`: where a model looks in any image, and what it tells apart."""
