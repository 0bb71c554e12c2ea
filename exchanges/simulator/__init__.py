"""A simulated exchange: a pure matching core, price sources, faults, and a face that speaks OKX v5."""
