// title: Siblings of a model
// description: Models made in one step from a parent of this one.
// param: model (model, required): Model id
// param: limit (integer, default 100): Rows at most
// columns: id, parent, relation, downloads
MATCH (m:Model {id: $model})-[:DERIVED_FROM {active: true}]->(p)<-[r:DERIVED_FROM {active: true}]-(s:Model)
WHERE s.id <> $model
RETURN s.id AS id, p.id AS parent, r.relation AS relation, coalesce(s.downloads, 0) AS downloads
ORDER BY downloads DESC, id, parent
LIMIT $limit
