"""The control server of the simulators: what every department was sent and did, its fault dial, scenarios; as pages and as an API."""
