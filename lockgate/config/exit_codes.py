"""How every command ends: 0 done, 1 a fault of the kit's own, and these."""

EXIT_BAD_INPUT = 2
EXIT_BLOCKED = 3  # by the gate
EXIT_DRIFT = 4  # at or above --fail-on
