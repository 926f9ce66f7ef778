"""From run records to the tidy table, statistics and claims. Needs neither torch nor timm."""
