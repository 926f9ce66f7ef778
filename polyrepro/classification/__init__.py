"""Classification: batches, training loop, checkpoints, evaluation.

Importing this package costs nothing.
"""
