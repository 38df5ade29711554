"""Every table, a file a topic. The region leads every key, so that one database a district, or a sharded one, needs no change of code.

Times are integers: milliseconds since 1970-01-01 UTC. Columns of type bytes named ``sealed_*`` are encrypted under the
case's own key; what is not sealed holds ids, codes and times only, never personal data.
"""

from hub.store.tables.cases import CaseFile, CaseIndex, CaseStep, Inbox, Material
from hub.store.tables.deliveries import AttemptRow, DeliveryRow, LaneRow, Payload, ReplyRow, ShadowRow
from hub.store.tables.files import BatchRow, DayClosing, ExchangedFileRow, Explanation
from hub.store.tables.ground import ItemVersion, KeyCheck, KeyRing, Sequence
from hub.store.tables.journal import JournalPurged, JournalRow, SealRow
from hub.store.tables.paper import HandoverLineRow, HandoverRow, ScanPageRow, ScanRow, Sheet, Task
from hub.store.tables.people import AccountRow, Client, SessionRow, SignInLimit

__all__ = [
    "AccountRow",
    "AttemptRow",
    "BatchRow",
    "CaseFile",
    "CaseIndex",
    "CaseStep",
    "Client",
    "DayClosing",
    "DeliveryRow",
    "ExchangedFileRow",
    "Explanation",
    "HandoverLineRow",
    "HandoverRow",
    "Inbox",
    "ItemVersion",
    "JournalPurged",
    "JournalRow",
    "KeyCheck",
    "KeyRing",
    "LaneRow",
    "Material",
    "Payload",
    "ReplyRow",
    "ScanPageRow",
    "ScanRow",
    "SealRow",
    "Sequence",
    "SessionRow",
    "ShadowRow",
    "Sheet",
    "SignInLimit",
    "Task",
]
