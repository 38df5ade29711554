"""A city's day on a virtual clock: hub and departments in one process, on one loop whose time passes only when nobody has work.

    loop      time that jumps to the next thing due; threads run inline
    network   HTTP and files in memory, with outages
    people    counters, centre staff, and clerks who know their sheets by number
    plan      who comes when, what is out of order and when: all from the seed
    run       a day from its morning to the end of the night, and what became of every case

The same seed gives the same day, byte for byte: any bug that is found is found again by its seed.
"""
