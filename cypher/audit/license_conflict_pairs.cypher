// title: Licence pairs with findings
// description: Findings by the licences of ancestor and child and by verdict, most frequent first.
// param: limit (integer, default 25): Rows at most
// columns: license, child_license, verdict, findings
MATCH (c:Model)-[r:CONFLICTS_WITH]->(a:Model)
RETURN coalesce(a.license, 'none') AS license, coalesce(c.license, 'none') AS child_license, r.verdict AS verdict,
       count(r) AS findings
ORDER BY findings DESC, license, child_license, verdict
LIMIT $limit
