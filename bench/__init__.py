"""Side-by-side benchmarks: `make bench` prints ratios and writes them to bench/results.md."""
