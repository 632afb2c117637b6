"""Frames, projection, boxes and the BEV grid: NumPy on the host."""
