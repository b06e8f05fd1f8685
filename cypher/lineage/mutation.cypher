// title: Licence changes by relation
// description: Pairs of parent and child that both declare a licence, by relation, and how many of them differ.
// columns: relation, pairs, changed
MATCH (c:Model)-[r:DERIVED_FROM {active: true}]->(p:Model)
WHERE c.license IS NOT NULL AND p.license IS NOT NULL
RETURN r.relation AS relation, count(r) AS pairs, sum(CASE WHEN c.license <> p.license THEN 1 ELSE 0 END) AS changed
ORDER BY pairs DESC, relation
