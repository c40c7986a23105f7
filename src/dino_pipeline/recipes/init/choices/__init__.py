"""From the measurement and the hardware to values, with a sentence on each: the recipe before it is a file."""
