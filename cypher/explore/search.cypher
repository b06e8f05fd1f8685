// title: Search models
// description: By a part of the id, a task and a licence; each may be left out. `known` says whether there is a record, weights alone, or the name alone.
// param: text (string, default): Part of the id, in any case
// param: task (task, default): Task, as pipeline_tag
// param: license (license, default): Licence id
// param: limit (integer, default 20): Rows at most
// columns: id, downloads, pipeline_tag, license, known
MATCH (m:Model)
WHERE ($text = '' OR toLower(m.id) CONTAINS toLower($text)) AND ($task = '' OR m.pipeline_tag = $task)
  AND ($license = '' OR m.license = $license)
RETURN m.id AS id, coalesce(m.downloads, 0) AS downloads, m.pipeline_tag AS pipeline_tag, m.license AS license,
       CASE WHEN coalesce(m.placeholder, false) = false THEN 'record' WHEN m.weights_hash IS NULL THEN 'name'
         ELSE 'weights' END AS known
ORDER BY downloads DESC, id
LIMIT $limit
