"""Bills of materials: a model with its whole lineage, as CycloneDX."""
