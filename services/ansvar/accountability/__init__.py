"""The questions that auditors and data protection officers ask; one module a report."""
