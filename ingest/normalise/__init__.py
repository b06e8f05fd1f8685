"""Pure functions from what people wrote to what they meant."""
