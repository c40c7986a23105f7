"""One HTML page that says what a model learned, and shows it."""
