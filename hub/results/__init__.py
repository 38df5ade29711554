"""Outcome, reply, event or time -> step, case: the only package that moves a step or a case.

Every function runs inside one unit of the writer: it locks the case row first (R7), so that joins fire exactly once, moves
what the tables of ``hub.states`` allow, and writes the journal in the same transaction.

    reception   a new case, the events of a centre or an applicant, the passing of time
    beginning   attempts begun, from a claim or handed over from memory; ``resent`` a batch that goes again
    outcomes    attempts ended, enquiries
    verdicts    what an outcome or a reply makes of its delivery
    channels    a delivery that goes another way: a fallback and back
    tasks       what a person completes; ``operations`` what an operator does
    sheets      the paper; ``handovers`` the courier who carries it, ``scans`` what comes back
    steps       what opens next; ``cases`` where that puts the case; ``casework`` the case in hand
"""

from hub.results.beginning import Begun, begin
from hub.results.casework import Change
from hub.results.channels import switch
from hub.results.errors import IdConflict, LeaseLost, NotAllowed, NotFoundHere, Overtaken
from hub.results.handovers import NewHandover, hand_out, take_in
from hub.results.handovers import cancel as cancel_handover
from hub.results.handovers import count_print as count_list_print
from hub.results.handovers import lose as lose_sheet
from hub.results.handovers import make as make_handover
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
from hub.results.scans import ReadPage, take_page
from hub.results.scans import add as add_scan
from hub.results.scans import assign as assign_page
from hub.results.scans import dismiss as dismiss_page
from hub.results.scans import end as end_scan
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
    "NewHandover",
    "NotAllowed",
    "NotFoundHere",
    "Overtaken",
    "Planner",
    "Print",
    "ReadPage",
    "Verdict",
    "add_scan",
    "assign",
    "assign_page",
    "attempt_ended",
    "begin",
    "begin_again",
    "cancel_handover",
    "check_code",
    "complete",
    "count_list_print",
    "count_print",
    "decide",
    "dismiss_page",
    "end_scan",
    "enquire_now",
    "enquired",
    "event",
    "find_sheet",
    "find_task",
    "hand_out",
    "hand_over",
    "hold_due",
    "hold_lane",
    "lane_name",
    "lapsed",
    "lose_sheet",
    "make_handover",
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
    "take_in",
    "take_page",
    "time_passed",
]
