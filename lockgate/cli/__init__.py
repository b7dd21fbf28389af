"""The commands of `lockgate`, one module each: options in, one call, words out."""
