"""Parents that are not among the models: which choices are none, and the common origins behind them."""
