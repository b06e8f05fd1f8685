// title: Models that declare several licences
// description: Live declared licence claims of models with more than one.
// param: limit (integer, default 50): Rows at most
// columns: id, licenses
MATCH (m:Model)-[r:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE r.valid_to IS NULL
WITH m.id AS id, count(l) AS n, collect(l.id) AS licenses
WHERE n > 1
RETURN id, licenses
ORDER BY id
LIMIT $limit
