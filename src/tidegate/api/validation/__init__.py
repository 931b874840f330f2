"""What is refused about our kinds without looking at the cluster, and what can be read in spite of it."""
