"""Asking a running service the rows whose answers its bundle knows."""
