// title: Children that changed a given licence
// description: Models whose parent declares one licence while they declare another, the most downloaded first.
// param: license (license, required): Licence id of the parent
// param: limit (integer, default 50): Rows at most
// columns: child, child_license, parent, relation, confidence, downloads
MATCH (p:Model {license: $license})<-[r:DERIVED_FROM {active: true}]-(c:Model)
WHERE c.license IS NOT NULL AND c.license <> $license
RETURN c.id AS child, c.license AS child_license, p.id AS parent, r.relation AS relation, r.confidence AS confidence,
       coalesce(c.downloads, 0) AS downloads
ORDER BY downloads DESC, child, parent
LIMIT $limit
