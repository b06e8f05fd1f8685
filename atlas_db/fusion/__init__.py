"""Claims of several sources fused to lineage edges, and the evidence that claims rest on."""
