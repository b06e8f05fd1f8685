// title: Number of descendants
// description: How many models come from a model, over any number of steps.
// param: model (model, required): Model id
// columns: descendants
MATCH (m:Model {id: $model})<-[:DERIVED_FROM*1.. {active: true}]-(d)
RETURN count(DISTINCT d) AS descendants
