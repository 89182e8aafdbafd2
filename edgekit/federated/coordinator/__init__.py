"""The coordinator of federated rounds over MQTT.

    served = serve(open_job(load_job(Path("JOB.toml"))))

`course` decides who takes part and when a round is over, and does no I/O: `rounds` with cohorts,
`buffered` without. `memory` remembers, `line` talks to the broker, `coordinator` brings them
together, and `serving` is the way in.
"""

from edgekit.federated.coordinator.serving import Served, serve
from edgekit.federated.coordinator.summary import Summary

__all__ = ["Served", "Summary", "serve"]
