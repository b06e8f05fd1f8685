"""Published methods, for benchmarks: MoTHer (paper 002), Model Atlas (paper 000)."""
