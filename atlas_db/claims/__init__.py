"""Claims about lineage in the store: names resolved to models, edges fused from claims, runs and their rollback."""
