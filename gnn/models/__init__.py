"""Learned models: graph network, ranker, label smoothing, propensity, calibration."""
