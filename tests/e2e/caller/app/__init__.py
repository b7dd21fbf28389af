raise SystemExit("the caller's own app answered for the kit's")
