"""From files and the live Hub to rows in the graph."""
