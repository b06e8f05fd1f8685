// title: Parents without a record
// description: Placeholders: parents that models name and that have no record and no charted weights, most children first.
// param: limit (integer, default 50): Rows at most
// columns: id, children
MATCH (p:Model {placeholder: true})<-[t:CLAIMS_PARENT]-(c:Model)
WHERE t.valid_to IS NULL AND p.weights_hash IS NULL
RETURN p.id AS id, count(DISTINCT c) AS children
ORDER BY children DESC, id
LIMIT $limit
