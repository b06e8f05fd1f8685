// title: Predicted licences
// description: Live predicted licences by value, most frequent first, with their mean confidence.
// param: limit (integer, default 50): Rows at most
// columns: license, models, confidence
MATCH (m:Model)-[r:HAS_LICENSE {source: 'predicted'}]->(l:License)
WHERE r.valid_to IS NULL
RETURN l.id AS license, count(m) AS models, avg(r.confidence) AS confidence
ORDER BY models DESC, license
LIMIT $limit
