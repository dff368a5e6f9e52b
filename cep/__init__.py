"""CEP, the Computational Execution Protocol: plans, their verifier, their planner, receipts."""
