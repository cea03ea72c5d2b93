"""From a corpus to a priming pool."""
