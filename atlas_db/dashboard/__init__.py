"""The atlas in the browser: pages over one store, with a JSON twin each, served on loopback or exported to a folder."""
