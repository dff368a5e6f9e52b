"""The planner: from a graph and a system of devices to a plan.

Nothing here is trusted. The planner imports nothing from the verifier, and the verifier proves each
plan from the plan alone.
"""
