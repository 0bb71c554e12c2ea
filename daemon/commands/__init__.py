"""The commands: each module has `add(subparsers)` and `run(args) -> int`."""
