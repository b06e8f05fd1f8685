// title: Children without a licence
// description: Models that declare no licence below a parent that does, the most downloaded first.
// param: limit (integer, default 50): Rows at most
// columns: child, parent, parent_license, downloads
MATCH (c:Model {placeholder: false})-[r:DERIVED_FROM {active: true}]->(p:Model)
WHERE c.license IS NULL AND p.license IS NOT NULL
RETURN c.id AS child, p.id AS parent, p.license AS parent_license, coalesce(c.downloads, 0) AS downloads
ORDER BY downloads DESC, child, parent
LIMIT $limit
