"""Reproduction package for PolyLoss (Leng et al., ICLR 2022, arXiv 2204.12511)."""

__version__ = "0.2.0"
