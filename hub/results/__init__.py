"""Outcome, reply, event or time -> step, case: the only package that moves a step or a case.

Every function runs inside one unit of the writer: it locks the case row first (R7), so that joins fire exactly once, moves
what the tables of ``hub.states`` allow, and writes the journal in the same transaction.

    reception   a new case, the events of a centre or an applicant, the passing of time
    beginning   attempts begun, from a claim or handed over from memory; ``resent`` a batch that goes again
    outcomes    attempts ended, enquiries
    verdicts    what an outcome or a reply makes of its delivery
    channels    a delivery that goes another way: a fallback and back
    tasks       what a person completes; ``sheets`` the paper, ``operations`` what an operator does
    steps       what opens next; ``cases`` where that puts the case; ``casework`` the case in hand
"""

from hub.results.beginning import Begun, begin
from hub.results.casework import Change
from hub.results.channels import switch
from hub.results.errors import IdConflict, LeaseLost, NotAllowed, NotFoundHere, Overtaken
from hub.results.operations import (
    QUEUE_CHUNK,
    Verdict,
    decide,
    enquire_now,
    hand_over,
    hold_due,
    hold_lane,
    lane_name,
    operate,
    release_lane,
    replay,
)
from hub.results.outcomes import LostProcess, Planner, attempt_ended, enquired, lapsed
from hub.results.reception import NewCase, event, receive, time_passed
from hub.results.resent import begin_again
from hub.results.sheets import Print, count_print, find_sheet
from hub.results.tasks import assign, check_code, complete, find_task, note_refusal, release, reserve, since, skip
from hub.results.verdicts import reply

__all__ = [
    "QUEUE_CHUNK",
    "Begun",
    "Change",
    "IdConflict",
    "LeaseLost",
    "LostProcess",
    "NewCase",
    "NotAllowed",
    "NotFoundHere",
    "Overtaken",
    "Planner",
    "Print",
    "Verdict",
    "assign",
    "attempt_ended",
    "begin",
    "begin_again",
    "check_code",
    "complete",
    "count_print",
    "decide",
    "enquire_now",
    "enquired",
    "event",
    "find_sheet",
    "find_task",
    "hand_over",
    "hold_due",
    "hold_lane",
    "lane_name",
    "lapsed",
    "note_refusal",
    "operate",
    "receive",
    "release",
    "release_lane",
    "replay",
    "reply",
    "reserve",
    "since",
    "skip",
    "switch",
    "time_passed",
]
