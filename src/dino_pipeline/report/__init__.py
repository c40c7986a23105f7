"""One HTML page that describes and shows what a model learned."""
