// title: Contradicted parents
// description: Declared edges that the weights contradict.
// param: limit (integer, default 100): Rows at most
// columns: child, parent, relation, confidence
MATCH (c:Model)-[r:DERIVED_FROM {status: 'contradicted'}]->(p:Model)
RETURN c.id AS child, p.id AS parent, r.relation AS relation, r.confidence AS confidence
ORDER BY confidence, child, parent
LIMIT $limit
