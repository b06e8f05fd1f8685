// title: Links of snakes
// description: Edges whose parent has this one child and whose child this one parent (Horwitz et al. 2025); snakes are lines of them.
// param: limit (integer, default 100): Rows at most
// columns: parent, child
MATCH (p:Model)<-[:DERIVED_FROM {active: true}]-(c:Model)
WHERE COUNT { MATCH (p)<-[:DERIVED_FROM {active: true}]-(:Model) } = 1
  AND COUNT { MATCH (c)-[:DERIVED_FROM {active: true}]->(:Model) } = 1
RETURN p.id AS parent, c.id AS child
ORDER BY parent, child
LIMIT $limit
