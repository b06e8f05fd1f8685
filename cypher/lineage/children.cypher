// title: Children of a model
// description: One step down, the most downloaded first.
// param: model (model, required): Model id
// param: limit (integer, default 100): Rows at most
// columns: child, relation, status, confidence, downloads
MATCH (m:Model {id: $model})<-[r:DERIVED_FROM {active: true}]-(c)
RETURN c.id AS child, r.relation AS relation, r.status AS status, r.confidence AS confidence,
       coalesce(c.downloads, 0) AS downloads
ORDER BY downloads DESC, child
LIMIT $limit
