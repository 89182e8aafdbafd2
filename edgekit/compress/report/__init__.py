"""What compression found, for people (one HTML page) and for programs (JSON)."""

from edgekit.compress.report.document import FrontPoint, Report, report_of
from edgekit.compress.report.page import report_html
from edgekit.compress.report.pictures import thumbnails

__all__ = ["FrontPoint", "Report", "report_html", "report_of", "thumbnails"]
