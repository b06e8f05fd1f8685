"""The whole run: load, fingerprint, chart, complete, audit, export; each stage kept where nothing has changed."""
