"""The edge: venues, streams, orders and their life, and a simulated exchange."""
