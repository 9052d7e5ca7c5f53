"""Makes Prefect's server call a webhook whenever a run of Ropewalk fails or crashes.

    PREFECT_API_URL=http://127.0.0.1:4200/api python docs/notify_on_failure.py https://example.org/hook

Run again with another address, it moves the notification there.
"""

from __future__ import annotations

import sys

from prefect.automations import Automation, EventTrigger
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook

NAME = "ropewalk-failed"
# Jinja, filled in by the server; the message is in double quotes as JSON wants them.
PAYLOAD = """{
  "run": {{ flow_run.name | tojson }},
  "flow": {{ flow.name | tojson }},
  "state": {{ flow_run.state.name | tojson }},
  "message": {{ (flow_run.state.message or "") | tojson }},
  "address": {{ (flow_run | ui_url) | tojson }}
}"""


def notify(address: str) -> None:
    """Every failed or crashed flow run is posted to the address as JSON.

    One that another run has dispatched, named "STAGE of RUN", is left out: the other one fails with its message.
    """
    block = Webhook(method="POST", url=address, headers={"Content-Type": "application/json"})
    block_id = block.save(NAME, overwrite=True)
    automation = Automation(
        name=NAME,
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match={"prefect.resource.id": "prefect.flow-run.*", "prefect.resource.name": "!* of *"},
            posture="Reactive",
            threshold=1,
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=PAYLOAD)],
    )
    with get_client(sync_client=True) as client:
        known = client.request("POST", "/automations/filter", json={}).json()
        for item in known:
            if item["name"] == NAME:
                client.request("DELETE", "/automations/{id}", path_params={"id": item["id"]})
    automation.create()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    notify(sys.argv[1])
