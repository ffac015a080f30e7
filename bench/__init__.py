"""What Treadle costs, beside baselines measured in the same run. `make bench`; docs/bench.md holds the last table."""
