// title: Links of snakes
// description: Edges whose parent has this one child and whose child this one parent (Horwitz et al. 2025); snakes are lines of them.
// param: limit (integer, default 100): Rows at most
// columns: parent, child
MATCH (p:Model)<-[:DERIVED_FROM {active: true}]-(c:Model)
WITH p, count(c) AS children, head(collect(c)) AS c
WHERE children = 1
MATCH (c)-[:DERIVED_FROM {active: true}]->(q:Model)
WITH p, c, count(q) AS parents
WHERE parents = 1
RETURN p.id AS parent, c.id AS child
ORDER BY parent, child
LIMIT $limit
