"""What manifests name and need: ConfigMaps, Secrets, claims, accounts, Services; and what nobody has."""
