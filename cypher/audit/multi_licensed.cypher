// title: Models that declare several licences
// description: Live declared licence claims of models with more than one.
// param: limit (integer, default 50): Rows at most
// columns: id, licenses
MATCH (m:Model)-[r:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE r.valid_to IS NULL
WITH m.id AS id, l.id AS license ORDER BY license
WITH id, count(license) AS n, collect(license) AS licenses
WHERE n > 1
RETURN id, licenses
ORDER BY id
LIMIT $limit
