"""Credit 经济信息化: a report for a loan needs the applicant before the clerk in person, and the sheet must say so."""

from dataclasses import replace

from adapters.paper import PaperGateway
from contracts.delivery import AwaitingReply, Delivery, Outcome
from contracts.plugin import Gateway, Runtime

LOAN = "02"
"""Code of list ``credit_use``."""


class InPerson:
    """The paper gateway, with a notice on the sheets of one purpose."""

    def __init__(self, inner: PaperGateway) -> None:
        self._inner = inner
        self.prepare, self.check = inner.prepare, inner.check
        self.print_sheets, self.print_handover = inner.print_sheets, inner.print_handover
        self.confirm = inner.confirm

    async def deliver(self, delivery: Delivery, /) -> Outcome:
        """The sheet to print. Raises PermanentError."""
        outcome = await self._inner.deliver(delivery)
        sheet = outcome.task_sheet if isinstance(outcome, AwaitingReply) else None
        if sheet is None or delivery.fields.get("purpose") != LOAN:
            return outcome
        noted = replace(sheet, notice_zh="须本人到场核对身份", notice_en="Check the applicant's identity in person")
        return AwaitingReply(task_sheet=noted)


def gateway(inner: Gateway, runtime: Runtime) -> Gateway:
    """What the channel puts in front of the adapter's gateway."""
    assert isinstance(inner, PaperGateway)
    return InPerson(inner)
