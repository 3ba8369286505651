"""What the program adds to the model's time, with a model that only waits."""
