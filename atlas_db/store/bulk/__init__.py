"""First loads: files for Neo4j's offline import, and batches for the local engine's own import."""
