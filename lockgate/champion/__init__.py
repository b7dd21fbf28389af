"""The model to beat: of the base commit or of the registry, scored by this kit on the rows that the new model is judged on."""
