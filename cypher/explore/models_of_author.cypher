// title: Models of an author
// description: What an author published, the most downloaded first, with licence, task, verdict and date of creation.
// param: author (author, required): Author
// param: limit (integer, default 100): Rows at most
// columns: id, downloads, license, pipeline_tag, verdict, created_at
MATCH (:Author {id: $author})<-[:PUBLISHED_BY]-(m:Model)
RETURN m.id AS id, coalesce(m.downloads, 0) AS downloads, m.license AS license, m.pipeline_tag AS pipeline_tag,
       m.audit_verdict AS verdict, m.created_at AS created_at
ORDER BY downloads DESC, id
LIMIT $limit
