"""The ways a person starts QueryForge: the command line and the chat page."""
