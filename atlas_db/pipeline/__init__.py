"""The pipeline: load, fingerprint, chart, complete, audit, export. A stage with unchanged inputs is kept."""
