"""Boards that see different features of the same samples learn one model: split learning.

Each party has a bottom model of its own features, and the label holder a top model of what the
bottoms say. Features' embeddings go up, gradients come down; features, labels and parameters stay.
Vepakomma et al., 2018, arXiv:1812.00564; Ceballos et al., 2020, arXiv:2008.04137.
"""
