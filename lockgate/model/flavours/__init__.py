"""The kinds of model that the kit trains: a module each, and the table that names them."""
