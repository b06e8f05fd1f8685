// title: Permissive alternatives
// description: Models for the same task and library under a permissive licence that the newest audit found nothing against, the most downloaded first.
// param: model (model, required): Model id
// param: limit (integer, default 5): Rows at most
// columns: id, license, downloads, audit_verdict
MATCH (m:Model {id: $model})
MATCH (n:Model {pipeline_tag: m.pipeline_tag})
WHERE n.id <> m.id AND n.library_name = m.library_name AND n.audit_verdict STARTS WITH 'compliant'
  AND n.license IN ['apache-2.0', 'mit', 'bsd-3-clause', 'bsd-2-clause', 'isc', 'cc-by-4.0', 'cc0-1.0', 'unlicense']
RETURN n.id AS id, n.license AS license, coalesce(n.downloads, 0) AS downloads, n.audit_verdict AS audit_verdict
ORDER BY downloads DESC, id
LIMIT $limit
