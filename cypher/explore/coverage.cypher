// title: Coverage of attributes
// description: Models with a record that have a live claim of each kind, by source.
// columns: attribute, source, models
MATCH (m:Model)-[r:HAS_LICENSE|HAS_TASK|USES_LIBRARY|HAS_ARCHITECTURE|HAS_RELATION|IN_LANGUAGE|TRAINED_ON|CITES|CLAIMS_PARENT]->()
WHERE r.valid_to IS NULL
RETURN type(r) AS attribute, r.source AS source, count(DISTINCT m) AS models
ORDER BY attribute, source
