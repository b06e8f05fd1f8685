"""What the web app keeps between requests: the store, the statistics, and answers that took long."""
