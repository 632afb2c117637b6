"""The spinning LiDAR: beams, what they meet, what comes back."""
