"""Risk measures: value at risk, expected shortfall and what follows from them."""
