// title: Unresolved names of parents
// description: Ambiguous names, self-loops and claims that close a cycle: recorded, never active.
// param: limit (integer, default 100): Rows at most
// columns: child, mention, resolution, best_guess, confidence
MATCH (c:Model)-[t:CLAIMS_PARENT]->(p:Model)
WHERE t.resolution IN ['ambiguous', 'self_loop', 'cycle'] AND t.valid_to IS NULL
RETURN c.id AS child, t.mention AS mention, t.resolution AS resolution, p.id AS best_guess, t.confidence AS confidence
ORDER BY resolution, child, mention
LIMIT $limit
