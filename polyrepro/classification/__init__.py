"""Classification: recipes, batches, training loop, evaluation, run records.

Importing this package costs nothing; `runs` and `recipes` need neither torch nor timm, so that a
workflow is planned in a moment.
"""
