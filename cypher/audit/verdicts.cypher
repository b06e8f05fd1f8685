// title: Verdicts
// description: Models with a record by the worst verdict of the newest audit.
// columns: verdict, models
MATCH (m:Model)
WHERE m.placeholder IS NULL OR m.placeholder = false
RETURN coalesce(m.audit_verdict, 'not audited') AS verdict, count(m) AS models
ORDER BY models DESC, verdict
