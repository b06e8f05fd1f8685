// title: Authors by models
// description: Who published most, with downloads over all their models.
// param: limit (integer, default 30): Rows at most
// columns: id, models, downloads
MATCH (a:Author)<-[:PUBLISHED_BY]-(m:Model)
RETURN a.id AS id, count(m) AS models, sum(coalesce(m.downloads, 0)) AS downloads
ORDER BY models DESC, id
LIMIT $limit
