"""Real and simulated sweeps in numbers, side by side."""
