"""The report, as Markdown for a pull request and as one HTML page."""
