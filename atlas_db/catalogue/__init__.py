"""What each licence grants, asks and withholds, as data with citations."""
