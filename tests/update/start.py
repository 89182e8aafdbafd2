"""When every test's time begins."""

from datetime import UTC, datetime

START = datetime(2026, 1, 1, tzinfo=UTC)
