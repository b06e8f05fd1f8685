// title: Lineage edges by status and confidence
// description: Edges of one status at or above a confidence.
// param: status (verified|declared|undeclared|predicted|contradicted, default declared): Status of the edges
// param: min_confidence (float, default 0.9): Lowest confidence
// param: limit (integer, default 100): Rows at most
// columns: child, parent, relation, confidence, sources
MATCH (c:Model)-[r:DERIVED_FROM {status: $status}]->(p:Model)
WHERE r.confidence >= $min_confidence
RETURN c.id AS child, p.id AS parent, r.relation AS relation, r.confidence AS confidence, r.sources AS sources
ORDER BY confidence DESC, child, parent
LIMIT $limit
