"""ValidatingAdmissionPolicies: which ones a request concerns, with what parameters, and what they decide."""
