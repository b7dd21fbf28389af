"""One module an area of the API; all of them are imported when the server is."""
