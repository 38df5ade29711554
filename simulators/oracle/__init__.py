"""The oracle: a process of its own that says whether anything was lost or doubled. It imports nothing of the hub.

    python -m simulators.oracle --database data/onedoor.db --senders senders --ledgers ledgers --files files

It holds what the hub wrote (database, journal, metrics, logs) against what others wrote down for themselves: the senders' logs,
the departments' ledgers, the folders of the file exchanges. Every sum is done again here, from the documented formats alone, so
that a mistake in the hub cannot hide itself.

    I1  whatever was acknowledged is stored, with its case         I5  the journal verifies and replays to the tables
    I2  each accepted case has exactly its frozen steps            I6  files and batches agree
    I3  nothing was done twice, or claimed and not done            I7  gauges equal table counts
    I4  nothing is claimed or being sent without a live lease      I8  no canary outside encrypted columns
"""
