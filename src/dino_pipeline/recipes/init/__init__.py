"""`dino-pipeline init`: measure someone's images and write a recipe for them, with a sentence on each choice."""
