"""The admission webhooks as a program: settings, and the rooms joined."""
