"""Hedges: what to hold in derivatives so that the book stays inside its bounds."""
