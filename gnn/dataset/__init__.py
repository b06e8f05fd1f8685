"""Input of completion: tasks, queries, tokens, groupings and point-in-time counts."""
