"""The benchmark: ratios beside a bare client in the same minute, never bare times."""
