"""Models run over fixed inputs, and the similarity of their outputs."""
