"""Where the simulated exchange takes its prices from: a generator, recorded bars, or a live venue mirrored."""
