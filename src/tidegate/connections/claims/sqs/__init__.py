"""What claims of SQS are made of: the calls, what they are answered, what is remembered of them."""
