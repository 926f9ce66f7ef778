"""Reproduction package for PolyLoss (Leng et al., ICLR 2022, arXiv 2204.12511)."""
