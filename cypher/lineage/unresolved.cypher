// title: Names nobody could resolve
// description: Ambiguous names, self-loops and claims that close a cycle: recorded, never followed.
// param: limit (integer, default 100): Rows at most
// columns: child, written_as, outcome, best_guess, confidence
MATCH (c:Model)-[t:CLAIMS_PARENT]->(p:Model)
WHERE t.outcome IN ['ambiguous', 'self_loop', 'cycle'] AND t.ended IS NULL
RETURN c.id AS child, t.written_as AS written_as, t.outcome AS outcome, p.id AS best_guess, t.confidence AS confidence
ORDER BY outcome, child, written_as
LIMIT $limit
