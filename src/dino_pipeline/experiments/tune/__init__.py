"""Search for better parameters: many short trainings, compared by what their teachers learned (Optuna)."""
