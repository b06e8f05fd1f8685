"""Features of candidates, and labelled neighbours for the network."""
