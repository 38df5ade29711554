"""All that crosses a boundary of Onedoor: the one package a plugin must import.

It holds records and protocols, no I/O library, and imports nothing else of ours.
"""
