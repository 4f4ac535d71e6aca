"""The policy as code: the compiled bundle, the rules, the state they ask, and `decide`. Pure."""
