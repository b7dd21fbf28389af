"""In the place of Evidently on PYTHONPATH: commands go without its page, whose drawing takes longer than all else they do."""

raise ImportError("this test goes without Evidently")
