// title: Distribution of the number of children
// description: Models by the number of models made from them in one step.
// param: relation (finetune|adapter|quantized|merge|duplicate, default): Relation; all where empty
// columns: children, models
MATCH (p:Model)<-[r:DERIVED_FROM {active: true}]-(c:Model)
WHERE $relation = '' OR r.relation = $relation
WITH p.id AS parent, count(DISTINCT c) AS children
RETURN children, count(parent) AS models
ORDER BY children
