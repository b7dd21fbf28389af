"""What a nightly run makes of its drift: the history, whether to wake somebody, the rolling issue."""
