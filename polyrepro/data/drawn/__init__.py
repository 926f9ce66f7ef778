"""Detection data that are drawn when they are needed: composites and LiDAR scenes."""
