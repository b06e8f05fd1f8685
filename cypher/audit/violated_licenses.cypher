// title: Most violated licences
// description: Ancestors and datasets whose own licence sets the term of most violations.
// param: limit (integer, default 50): Rows at most
// columns: ancestor, license, violations
MATCH (m:Model)-[f:CONFLICTS_WITH {verdict: 'violation'}]->(a)
RETURN CASE WHEN labels(a)[0] = 'Dataset' THEN 'datasets/' ELSE '' END + a.id AS ancestor, a.license AS license, count(f) AS violations
ORDER BY violations DESC, ancestor
LIMIT $limit
