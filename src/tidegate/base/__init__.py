"""The small values that everybody needs: quantities, durations, cron, names, selectors, errors."""
