"""`dino-pipeline init`: measure the user's images and write a recipe for them, with a sentence on each choice."""
