"""The service: configuration, store, decisions, execution, recovery, metrics, pages and commands."""
