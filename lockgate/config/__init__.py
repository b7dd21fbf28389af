"""What everything stands on: parameters, files, layout, errors."""
