"""The HTTP side of the hub: the API that senders and departments call, and the local socket of the command line."""
