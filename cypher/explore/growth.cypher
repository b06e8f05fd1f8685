// title: New models a month
// description: Models with a record by month of creation, and how many of them declare a licence or a task.
// columns: month, models, with_license, with_task
MATCH (m:Model)
WHERE m.placeholder IS NULL OR m.placeholder = false
RETURN coalesce(left(m.created_at, 7), 'earlier') AS month, count(m) AS models, count(m.license) AS with_license,
       count(m.pipeline_tag) AS with_task
ORDER BY month
