"""Large image data sets: verified once, then read image by image."""
