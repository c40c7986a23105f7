"""Compare models: train missing ones, give each row of the table intervals, and judge each expected ordering."""
