// title: Merges by the number of their parents
// description: Models with edges of relation merge, by how many parents these lead to.
// columns: parents, models
MATCH (c:Model)-[r:DERIVED_FROM {active: true, relation: 'merge'}]->(p:Model)
WITH c.id AS child, count(DISTINCT p) AS parents
RETURN parents, count(child) AS models
ORDER BY parents
