"""BEVDuet: camera and LiDAR perception in bird's-eye view, with any subset of sensors."""
