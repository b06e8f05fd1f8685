"""One way to reach a graph store: local engines as child processes, or any Neo4j by URL."""
