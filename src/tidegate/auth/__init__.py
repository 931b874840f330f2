"""TriggerAuthentications, Secrets and environments as plain values of a trigger."""
