// title: Models trained on a dataset
// description: By any source, with its confidence, the most downloaded first.
// param: dataset (dataset, required): Dataset id as declared
// param: limit (integer, default 50): Rows at most
// columns: id, source, confidence, downloads, license
MATCH (d:Dataset {id: $dataset})<-[r:TRAINED_ON]-(m:Model)
WHERE r.valid_to IS NULL
RETURN m.id AS id, r.source AS source, r.confidence AS confidence, coalesce(m.downloads, 0) AS downloads,
       m.license AS license
ORDER BY downloads DESC, id, source
LIMIT $limit
