"""What an analysis leaves behind: tables, figures, provenance, and how to cite."""
