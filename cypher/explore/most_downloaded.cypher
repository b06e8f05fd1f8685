// title: Most downloaded models
// description: Models in descending order of downloads or another number.
// param: by (downloads|likes|num_params|card_length|audit_findings, default downloads): Property to order by
// param: limit (integer, default 20): Rows at most
// columns: id, value, license, pipeline_tag
MATCH (m:Model)
WHERE m[$by] IS NOT NULL
RETURN m.id AS id, m[$by] AS value, m.license AS license, m.pipeline_tag AS pipeline_tag
ORDER BY value DESC, id
LIMIT $limit
