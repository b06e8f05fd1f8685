// title: Traits of child and parent
// description: Behind mutation, drift and similarity: each active edge with traits of both its ends.
// param: limit (integer, default 100): Rows at most
// columns: child, parent, relation, child_license, parent_license, child_task, parent_task, child_library, parent_library, child_card_length, parent_card_length, child_card_template, parent_card_template
MATCH (c:Model)-[r:DERIVED_FROM {active: true}]->(p:Model)
RETURN c.id AS child, p.id AS parent, r.relation AS relation, c.license AS child_license, p.license AS parent_license,
       c.pipeline_tag AS child_task, p.pipeline_tag AS parent_task, c.library_name AS child_library,
       p.library_name AS parent_library, c.card_length AS child_card_length, p.card_length AS parent_card_length,
       c.card_template AS child_card_template, p.card_template AS parent_card_template
ORDER BY child, parent, relation
LIMIT $limit
