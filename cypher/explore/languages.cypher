// title: Share of models by language
// description: Live claims of a language by any source; the share is of all models with a record.
// param: limit (integer, default 30): Rows at most
// columns: id, source, models, share
WITH COUNT { MATCH (n:Model) } - COUNT { MATCH (n:Model {placeholder: true}) } AS every
MATCH (v:Language)<-[r:IN_LANGUAGE]-(m:Model)
WHERE r.valid_to IS NULL
WITH every, v.id AS id, r.source AS source, count(m) AS models
ORDER BY models DESC, id, source
LIMIT $limit
RETURN id, source, models, toFloat(models) / every AS share
ORDER BY models DESC, id, source
