// title: Licences of all ancestors of a model
// description: The terms that may travel down to it.
// param: model (model, required): Model id
// columns: license, ancestors
MATCH (m:Model {id: $model})-[:DERIVED_FROM*1.. {active: true}]->(a)
RETURN a.license AS license, count(DISTINCT a) AS ancestors
ORDER BY ancestors DESC, license
