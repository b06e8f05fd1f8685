// title: Roots of a model
// description: The ancestors that name no parent themselves.
// param: model (model, required): Model id
// columns: id, license, downloads, placeholder
CALL () {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*1.. {active: true}]->(x) RETURN DISTINCT x.id AS id
}
MATCH (a:Model {id: id})
WHERE NOT (a)-[:DERIVED_FROM {active: true}]->()
RETURN a.id AS id, a.license AS license, a.downloads AS downloads, a.placeholder AS placeholder
ORDER BY id
