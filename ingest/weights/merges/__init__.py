"""Reconstruction of merges: linear, SLERP, TIES, DARE, and quantized ones."""
