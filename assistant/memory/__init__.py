"""What QueryForge remembers: conversations, feedback, question-SQL pairs, saved questions. Only this writes."""
