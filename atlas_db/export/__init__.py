"""The graph, or a part of it, as files and objects of other tools."""
