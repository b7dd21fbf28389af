"""The frozen profile, PSI, and the rule that says when a change is one."""
