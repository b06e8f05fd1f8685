"""Formats of quantized matrices in safetensors files: one module a format."""
