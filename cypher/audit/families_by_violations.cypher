// title: Model families by violations
// description: Ancestors by the number of models whose violation leads to them.
// param: limit (integer, default 25): Rows at most
// columns: ancestor, license, models
MATCH (c:Model)-[r:CONFLICTS_WITH {verdict: 'violation'}]->(a:Model)
RETURN a.id AS ancestor, a.license AS license, count(DISTINCT c) AS models
ORDER BY models DESC, ancestor
LIMIT $limit
