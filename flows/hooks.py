"""What happens when a flow run ends, for every flow."""

from flows.operating.live_runs import forget
from tasks.dispatch import end_dispatched

HOOKS = {
    "on_completion": [forget],
    "on_failure": [forget],
    "on_cancellation": [end_dispatched],  # the run is not Cancelled yet; whoever sets it so drops the note
    "on_crashed": [end_dispatched, forget],
}
