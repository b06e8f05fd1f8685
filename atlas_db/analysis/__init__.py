"""The anatomy of the ecosystem: families, likeness, mutation, drift, tables, growth; every table a data frame."""
