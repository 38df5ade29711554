"""A city's day on a virtual clock: hub and departments in one process, on one loop whose time passes only when nobody has work.

    loop         time that jumps to the next thing due; threads run inline
    network      HTTP and files in memory, with outages
    hours        who is there when: workdays, days off, lunch
    plan         who comes when and for what, what is out of order and when: all from the seed
    applicants   the forms they bring
    departments  answers at once, in office hours, or by file in the night
    people       applicants; ``staff``: the centres' people, and clerks who know their sheets by number
    run          a day from its morning to the next noon; ``judgement``: what became of every case; ``screen``: to read it

The same seed gives the same day, byte for byte: any bug that is found is found again by its seed.
"""
