"""What completion learns from: tasks, tokens, groups, point-in-time counts."""
