"""The OKX v5 face of the simulated exchange: its REST and WebSocket API, to the field."""
