// title: Fans
// description: Models with many children of which nine in ten have none themselves (Horwitz et al. 2025), the widest first.
// param: children (integer, default 10): Lowest number of children
// param: limit (integer, default 50): Rows at most
// columns: id, children, leaves
MATCH (p:Model)<-[:DERIVED_FROM {active: true}]-(c:Model)
WITH DISTINCT p, c
WITH p.id AS id, count(c) AS children,
     sum(CASE WHEN COUNT { MATCH (c)<-[:DERIVED_FROM {active: true}]-(:Model) } = 0 THEN 1 ELSE 0 END) AS leaves
WHERE children >= $children AND leaves >= 0.9 * children
RETURN id, children, leaves
ORDER BY children DESC, id
LIMIT $limit
