"""What the figures of detections show: their code and the report's captions both read it here."""

LEAST_SCORE = 0.3
"""Of the detections that are drawn."""

IMAGES, LEAST_OBJECTS = 3, 4
"""Test images with at least so many objects."""
MATCH = 0.5
"""Intersection over union from which a detection in an image counts as right."""

SCENES, LEAST_OBJECTS_3D = 4, 8
MATCH_3D = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
"""The same in point clouds, as in Waymo's and KITTI's metrics."""
