"""The Job controller: Pods until enough have succeeded, or too many have failed."""
