"""Merges whose weights differ from tensor to tensor, or that only some tensors show."""
