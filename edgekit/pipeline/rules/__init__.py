"""Rules over predictions: a small expression language, facts, durations and cool-down."""

from edgekit.pipeline.rules.book import RuleBook
from edgekit.pipeline.rules.conditions import Fact, Rule
from edgekit.pipeline.rules.readings import Readable, readable_of

__all__ = ["Fact", "Readable", "Rule", "RuleBook", "readable_of"]
