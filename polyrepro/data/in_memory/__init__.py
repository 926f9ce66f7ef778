"""Image data sets that are decoded once and stay in memory."""
