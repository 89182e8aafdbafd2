"""A federated job as an operator writes it: `JOB.toml`, checked, and opened."""

from edgekit.federated.job.loading import load_job
from edgekit.federated.job.opening import OpenJob, open_job
from edgekit.federated.job.schema import Job

__all__ = ["Job", "OpenJob", "load_job", "open_job"]
