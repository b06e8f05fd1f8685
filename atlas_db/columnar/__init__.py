"""The model graph as arrays, for computations over all of its models."""
