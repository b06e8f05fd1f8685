// title: Direct licence changes
// description: Pairs of licences between child and parent that differ, most frequent first.
// param: limit (integer, default 50): Rows at most
// columns: parent_license, child_license, relation, edges
MATCH (c:Model)-[r:DERIVED_FROM {active: true}]->(p:Model)
WHERE c.license IS NOT NULL AND p.license IS NOT NULL AND c.license <> p.license
RETURN p.license AS parent_license, c.license AS child_license, r.relation AS relation, count(r) AS edges
ORDER BY edges DESC, parent_license, child_license, relation
LIMIT $limit
