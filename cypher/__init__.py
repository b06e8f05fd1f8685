"""The questions: one Cypher file each, and what reads them."""
