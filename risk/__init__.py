"""What the portfolio should be, and whether it may: pure numbers, no input or output, no clock."""
