"""Analysis of the ecosystem: families, similarity, mutation, drift, regions, growth, top tables."""
