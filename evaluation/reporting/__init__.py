"""What a report says and how it looks; the door is `evaluation.report`."""
