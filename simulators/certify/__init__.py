"""The conformance kit: named checks that prove a department's plugin before its first real case."""
