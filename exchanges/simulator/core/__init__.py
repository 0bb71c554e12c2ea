"""The pure heart of the simulated exchange: books, matching, accounts, positions, funding, candles."""
