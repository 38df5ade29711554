"""What tasks, their states and reasons are called on pages. The codes stand in journal and database, these words nowhere else."""

from hub.web.texts import N_

KINDS = {
    "receive": N_("Receive"),
    "receive_accept": N_("Receive and accept"),
    "accept_elsewhere": N_("Accept (received elsewhere)"),
    "review": N_("Review"),
    "notice": N_("Public notice"),
    "deliver": N_("Serve the result"),
    "hand_out": N_("Hand out"),
    "centre": N_("Step at the centre"),
    "sheet": N_("Task sheet"),
    "unknown": N_("Outcome unknown"),
    "dead": N_("Cannot be delivered"),
    "decide": N_("Decide for the department"),
    "notify": N_("Tell the department"),
    "contradiction": N_("Answers contradict"),
}

STATES = {
    "ready": N_("To be claimed"),
    "reserved": N_("Claimed"),
    "to_confirm": N_("Waits for a second person"),
    "completed": N_("Completed"),
    "skipped": N_("Not needed"),
    "obsolete": N_("Settled otherwise"),
}

REASONS = {
    "papers_missing": N_("Papers are missing"),
    "papers_invalid": N_("A paper is out of date or not valid"),
    "data_wrong": N_("Data do not agree with the papers"),
    "not_eligible": N_("The conditions are not met"),
    "wrong_item": N_("Another item would be right"),
    "wrong_place": N_("Another centre or department is responsible"),
    "duplicate_application": N_("The same application is under way already"),
    "cannot_reach_applicant": N_("The applicant cannot be reached"),
    "other": N_("Another reason (see the department's text)"),
}
"""Reason codes that pages offer; the API takes any code."""

CHOICES = {
    "done": N_("Done"),
    "granted": N_("Granted"),
    "refused": N_("Refused"),
    "returned": N_("Give back for correction"),
    "accept": N_("Accept"),
    "ask_correction": N_("Ask for correction, all of it at once"),
    "refuse_acceptance": N_("Refuse to accept"),
    "replay": N_("Send again"),
    "resend": N_("Send again, marked as a possible duplicate"),
    "cancel": N_("Do not send any more"),
    "dead": N_("Give up and decide by hand"),
    "skip": N_("Nothing to do"),
}

RISKY = frozenset({"refused", "refuse_acceptance", "cancel", "dead"})
NEEDS_REASON = frozenset({"refused", "returned", "refuse_acceptance", "ask_correction"})

TOLD = {
    "claimed": N_("Claimed. It is under Mine now."),
    "released": N_("Given back."),
    "assigned": N_("Assigned."),
    "completed": N_("Completed."),
    "to_confirm": N_("Keyed. A refusal waits for a second person."),
    "contradiction": N_("Recorded as a contradiction: somebody must look into it."),
    "declined": N_("Not confirmed. The task is free again."),
    "none": N_("Nothing was ticked."),
}
