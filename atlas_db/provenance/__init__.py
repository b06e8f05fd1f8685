"""Where a model comes from: the answer in words, the sheet of a report, and records that can be verified."""
