"""A release: from a tag to an image, a registry version and a GitHub Release, all of one digest."""
