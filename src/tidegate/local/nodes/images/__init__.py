"""What stands for an image where containers are processes: the table, and the program that it comes to."""
