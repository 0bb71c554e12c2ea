"""The convex portfolio problem: objective, costs, constraints, and the no-trade region."""
