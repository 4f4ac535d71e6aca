"""Evidence bundles: rows and all that proves them, in one file for someone who trusts nobody."""
