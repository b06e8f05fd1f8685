// title: Undeclared parents
// description: Edges inferred from weights that nobody declares.
// param: limit (integer, default 100): Rows at most
// columns: child, parent, relation, confidence
MATCH (c:Model)-[r:DERIVED_FROM {status: 'undeclared'}]->(p:Model)
RETURN c.id AS child, p.id AS parent, r.relation AS relation, r.confidence AS confidence
ORDER BY confidence DESC, child, parent
LIMIT $limit
