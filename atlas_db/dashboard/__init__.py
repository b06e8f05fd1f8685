"""The atlas in the browser: pages over one store, also as JSON, served on loopback or exported to a folder."""
