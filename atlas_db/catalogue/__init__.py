"""What each licence grants, requires and forbids, as data with citations."""
