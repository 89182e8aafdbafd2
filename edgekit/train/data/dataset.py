"""The data sets of a workstation are those of a board."""

from edgekit.learning.dataset import (
    Batch,
    Dataset,
    batches,
    batches_in_order,
    samples_a_batch,
)

__all__ = ["Batch", "Dataset", "batches", "batches_in_order", "samples_a_batch"]
