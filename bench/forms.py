"""What checking a form costs beside parsing the message it came in: over every sample of the sample city."""

import importlib.resources
import json
import timeit
from datetime import date
from pathlib import Path

from contracts.envelope import CaseApplication
from contracts.site import load_site
from hub.cloud_events import read_data
from hub.forms import Form, compile_form
from hub.systems import register

DAY = date(2026, 3, 2)
REPEATS = 20


def cost_beside_parsing() -> float:
    """Time of ``Form.check`` in times of ``json.loads`` of the whole envelope, summed over the samples; each the best of some."""
    folder = Path(str(importlib.resources.files("plugins")))
    site = load_site(folder)
    items = {item.code: item for item in register(folder, site.plugins).items}
    checking = parsing = 0.0
    for sample in sorted(folder.glob("*/samples/*.json")):
        text = sample.read_text("utf-8")
        application = read_data(CaseApplication, json.loads(text)["data"])
        form = compile_form(items[application.item], site.field_groups, site.code_lists)
        checking += _best(form, application)
        parsing += min(timeit.repeat(lambda text=text: json.loads(text), number=1, repeat=REPEATS))  # type: ignore[misc]
    return checking / parsing


def _best(form: Form, application: CaseApplication) -> float:
    return min(timeit.repeat(lambda: form.check(application, DAY), number=1, repeat=REPEATS))
