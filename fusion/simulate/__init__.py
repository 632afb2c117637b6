"""A simulated drive in nuScenes' own format: a world with traffic, a spinning LiDAR, cameras, labels and tables."""
