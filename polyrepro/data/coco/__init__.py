"""Detection data in COCO's format."""
