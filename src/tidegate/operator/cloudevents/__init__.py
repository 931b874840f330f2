"""Events of the autoscaler on their way out: which sources there are, what each wants, and where it goes."""
