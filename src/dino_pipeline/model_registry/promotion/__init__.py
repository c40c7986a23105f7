"""`dino-pipeline promote`: which registered version is the champion, why, and since when."""
