// title: Models without any lineage
// description: Models with a record, but neither parents nor children, the most downloaded first.
// param: limit (integer, default 50): Rows at most
// columns: id, downloads, pipeline_tag, license
MATCH (m:Model {placeholder: false})
WHERE NOT (m)-[:DERIVED_FROM]-()
RETURN m.id AS id, coalesce(m.downloads, 0) AS downloads, m.pipeline_tag AS pipeline_tag, m.license AS license
ORDER BY downloads DESC, id
LIMIT $limit
