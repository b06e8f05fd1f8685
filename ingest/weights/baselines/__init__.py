"""Published methods, for benchmarks: MoTHer (MoTHer), Model Atlas (Horwitz 2025)."""
