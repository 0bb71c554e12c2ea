"""Signals: volatility, covariance, regime and expected returns."""
