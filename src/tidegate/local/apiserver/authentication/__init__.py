"""Who somebody is: keys and certificates, the tokens of ServiceAccounts, and what makes one good."""
