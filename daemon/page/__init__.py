"""The status page: markup, drawings and text made from a `StatusView`; no I/O, no state, no clock."""
