// title: Models with the most children
// description: Children in one step, of all relations or of one.
// param: relation (finetune|adapter|quantized|merge|duplicate, default): Relation; all where empty
// param: limit (integer, default 20): Rows at most
// columns: id, children
MATCH (p:Model)<-[r:DERIVED_FROM {active: true}]-(c:Model)
WHERE $relation = '' OR r.relation = $relation
RETURN p.id AS id, count(DISTINCT c) AS children
ORDER BY children DESC, id
LIMIT $limit
