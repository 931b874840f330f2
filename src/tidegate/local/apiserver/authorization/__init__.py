"""Who may do what: RBAC's rules, roles and bindings as values, and the answer to each request.

Nothing here looks at the store or at a socket; the control plane tells `policy.Policy` of every change.
"""
