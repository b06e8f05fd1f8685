// title: Children of a model by relation
// description: How many models were made from it in one step, and how.
// param: model (model, required): Model id
// columns: relation, status, models
MATCH (m:Model {id: $model})<-[r:DERIVED_FROM {active: true}]-(c)
RETURN r.relation AS relation, r.status AS status, count(DISTINCT c) AS models
ORDER BY models DESC, relation, status
